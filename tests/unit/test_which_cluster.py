"""Which cluster is meant is said once: nobody's environment leads to another one."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _kubernetes
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import ClusterError

ELSEWHERE = {"K8S_AUTH_HOST": "https://production:6443", "K8S_AUTH_API_KEY": "x"}


@pytest.mark.parametrize("said", [{"context": "staging"}, {"kubeconfig": "/k"}, {"host": "https://s", "api_key": "x"}])
@pytest.mark.parametrize("name", ["HOST", "API_KEY", "CONTEXT", "KUBECONFIG", "USERNAME", "IMPERSONATE_USER"])
def test_an_environment_that_names_another_one_is_refused(said: dict[str, str], name: str) -> None:
    if name.lower() in said:
        _kubernetes.refuse_two_clusters(said, {f"K8S_AUTH_{name}": "x"})
        return
    with pytest.raises(
        ClusterError, match=f"environment of whoever runs Ansible has K8S_AUTH_{name}, which could lead"
    ):
        _kubernetes.refuse_two_clusters(said, {f"K8S_AUTH_{name}": "x"})


def test_either_alone_says_it() -> None:
    _kubernetes.refuse_two_clusters({}, ELSEWHERE)
    _kubernetes.refuse_two_clusters({"context": ""}, ELSEWHERE)
    _kubernetes.refuse_two_clusters({"context": "staging"}, {"K8S_AUTH_HOST": "", "K8S_AUTH_VERIFY_SSL": "no"})


def test_no_secret_is_in_the_refusal() -> None:
    with pytest.raises(ClusterError) as refused:
        _kubernetes.refuse_two_clusters({"context": "staging"}, {"K8S_AUTH_PASSWORD": "hunter2"})
    assert "hunter2" not in str(refused.value)
