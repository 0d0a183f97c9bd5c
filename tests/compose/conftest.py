"""The tests of this folder need a Docker Engine and minutes: they run only when they are asked for."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.compose.deployment import Deployment
from support.environments import Environments
from support.kubernetes.client import RealClient


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "compose: deploys to the Docker Engine of tests/compose/engine.py; needs minutes"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if re.search(r"\bcompose\b", config.getoption("markexpr")):
        return
    not_asked = pytest.mark.skip(reason="runs only when it is asked for: tests/compose/run")
    for item in items:
        if item.get_closest_marker("compose"):
            item.add_marker(not_asked)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Deployment]]:
    """Makes a deployment's name its own: whatever carries it is removed before and after."""
    if os.environ.get("DOCKER_HOST", "") != os.environ.get("TEST_DOCKER_HOST", "nothing"):
        pytest.fail("Only the engine of tests/compose/engine.py is ever used: run tests/compose/run.", pytrace=False)
    made: list[Deployment] = []

    def prepare(target: str, name: str, **variables: Any) -> Deployment:
        deployment = Deployment(target, name, tmp_path_factory.mktemp(name), **variables)
        made.append(deployment)
        deployment.remove()
        return deployment

    try:
        yield prepare
    finally:
        for deployment in made:
            deployment.remove()


@pytest.fixture(scope="session")
def multi_az(make: Callable[..., Deployment]) -> Deployment:
    """Two servers in two zones behind a load balancer, made from nothing with the playbook; most tests share it."""
    deployment = make("compose_multi_az", "t-multi")
    start = time.monotonic()
    with deployment.as_users_do():
        deployment.deploy().succeeded()
    print(f"\ncompose_multi_az deployed from nothing in {time.monotonic() - start:.0f} s")
    return deployment


@pytest.fixture(scope="session")
def real_client(environments: Environments) -> RealClient:
    return RealClient(environments.slim / "bin" / "python")
