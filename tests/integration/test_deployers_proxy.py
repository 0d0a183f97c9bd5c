"""Somebody whose environment names a proxy, and no exception from it: what is on this host is asked without it."""

from __future__ import annotations

import pytest
from support.environments import Environments
from support.host.deployment import Deployment
from support.ports import NOBODYS_PORT

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.mark.ci
def test_a_first_deployment_is_proven_on_this_host_and_not_through_the_proxy(
    environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(environments, "light", mlflow_server_auth="basic")
    nobody = f"http://127.0.0.1:{NOBODYS_PORT}"
    for name in PROXIES:
        monkeypatch.setenv(name, nobody)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    try:
        with deployment.as_users_do():
            deployed = deployment.deploy().succeeded()
        said = str(deployed.of("Report where MLflow is and what to do next")["msg"])
        assert "was started and proven with the real client" in said
        for playbook in ("health", "status", "restart"):
            deployment.play(playbook).succeeded()
        assert deployment.deploy().succeeded().stats["changed"] == 0
        deployment.destroy(mlflow_remove_data=True).succeeded()
    finally:
        deployment.remove()
