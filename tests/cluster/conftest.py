"""The tests of this folder take minutes, and some start and end the cluster: they run only when they are asked for."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.environments import Environments
from support.kubernetes.client import RealClient
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl

MARKERS = {
    "cluster_itself": "starts, kills and ends the test cluster; needs root and minutes",
    "cluster": "deploys to the cluster of TEST_KUBECONFIG and TEST_CONTEXT; needs minutes",
}
# What most people rely on comes first: CI may not have the time for everything.
FIRST = ["test_kubernetes_target.py", "test_kubernetes_backup.py", "test_kubernetes_upgrade.py"]
# The autoscaler reacts within seconds, so that it can be watched.
_QUICK = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
    "scaleDown": {"stabilizationWindowSeconds": 15, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]},
}


def pytest_configure(config: pytest.Config) -> None:
    for marker, text in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {text}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
    for marker in MARKERS:
        if re.search(rf"\b{marker}\b", config.getoption("markexpr")):
            continue
        not_asked = pytest.mark.skip(reason=f"runs only when it is asked for: pytest tests/cluster -m {marker}")
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(not_asked)


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    kubeconfig, context = os.environ.get("TEST_KUBECONFIG"), os.environ.get("TEST_CONTEXT")
    if not (kubeconfig and context):
        pytest.fail(
            "TEST_KUBECONFIG and TEST_CONTEXT name the cluster of the tests, and nothing else is ever used. For one "
            'of your own: make cluster-up; eval "$(python tests/cluster/cluster.py env)"',
            pytrace=False,
        )
    return Kubectl(Path(kubeconfig), context)


@pytest.fixture(scope="session")
def make(cluster: Kubectl) -> Iterator[Callable[..., Deployment]]:
    """Makes a deployment's namespace its own: whatever is there is removed before and after."""
    made: list[Deployment] = []

    def prepare(namespace: str, **variables: Any) -> Deployment:
        deployment = Deployment(cluster, namespace, **variables)
        made.append(deployment)
        deployment.remove(wait=True)
        return deployment

    try:
        yield prepare
    finally:
        for deployment in made:
            deployment.remove()
        for deployment in made:
            deployment.remove(wait=True)


@pytest.fixture(scope="session")
def main(make: Callable[..., Deployment]) -> Deployment:
    """The deployment that most tests share, made from nothing with the playbook."""
    deployment = make("t-main", mlflow_server_scale_behavior=_QUICK)
    start = time.monotonic()
    with deployment.as_users_do():
        deployment.deploy().succeeded()
    print(f"\ndeployed from nothing in {time.monotonic() - start:.0f} s")
    return deployment


@pytest.fixture(scope="session")
def real_client(environments: Environments) -> RealClient:
    return RealClient(environments.slim / "bin" / "python")
