"""Servers of an old version behind a load balancer, upgraded under load: what fails on the way leads back to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker
from support.kubernetes.upgrades import ASK_VERSION, OLD, says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds

pytestmark = pytest.mark.compose


@pytest.fixture(scope="module")
def old(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make("compose_multi_az", "t-upgrade", mlflow_server_port=5011)
    try:
        deployment.deploy(**OLD).succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_an_upgrade_says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(old: Deployment) -> None:
    says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(
        old,
        versions=lambda: {docker("exec", server, *ASK_VERSION).strip() for server in old.servers()},
        who_serves=old.started,
        until_served=old.wait_until_healthy,
    )
