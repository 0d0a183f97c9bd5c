"""Servers of an old version behind a front, upgraded under load: what fails on the way leads back to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from compose_target.deployment import Deployment
from compose_target.engine import docker
from k8s.load import under_load
from testcluster.target_images import MLFLOW, OLD_MLFLOW, OLD_VERSION

pytestmark = pytest.mark.compose

OLD = {"mlflow_image": OLD_MLFLOW, "mlflow_version": OLD_VERSION}
NEW = {"mlflow_image": MLFLOW}
# What only shows when the server is started, after the migration.
BROKEN = {"mlflow_server_env": {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NoSuchPool"}, "mlflow_server_health_timeout": 20}


@pytest.fixture(scope="module")
def old(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make("compose_multi_az", "t-upgrade")
    try:
        deployment.deploy(**OLD).succeeded()
        yield deployment
    finally:
        deployment.remove()


def upgrade(deployment: Deployment, **variables: Any) -> Any:
    return deployment.play("upgrade", **{**NEW, **variables})


def versions(deployment: Deployment) -> set[str]:
    ask = ["python", "-c", "import mlflow; print(mlflow.__version__)"]
    return {docker("exec", server, *ask).strip() for server in deployment.servers()}


def test_an_upgrade_says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(old: Deployment) -> None:
    began = old.started()
    refused = old.deploy(**NEW)
    assert refused.code != 0 and "run the playbook upgrade" in refused.message
    planned = upgrade(old).succeeded()
    said = str(planned.of("Say what the upgrade does")["msg"])
    assert f"MLflow {OLD_VERSION} to MLflow 3.17.2" in said and "75868b020152 destructive" in said
    assert old.started() == began, "what serves was touched"

    with under_load(old, threads=2, pause=0.1) as first:
        failed = upgrade(old, mlflow_upgrade=True, **BROKEN)
        assert failed.code != 0, "the broken version was let through"
        assert f"MLflow {OLD_VERSION} serves again, after " in failed.message, failed.message
        assert "NoSuchPool" in failed.message
        old.wait_until_healthy()
        before = first.answers
        time.sleep(2)
        assert first.answers > before, "nobody could write after it went back"
    assert versions(old) == {OLD_VERSION}
    assert first.lost(old) == {}

    with under_load(old, threads=2, pause=0.1) as second:
        upgraded = upgrade(old, mlflow_upgrade=True).succeeded()
    print(upgraded.of("Say what was done")["msg"], first, second, sep="\n")
    assert versions(old) == {"3.17.2"}
    assert (first.lost(old), second.lost(old)) == ({}, {})

    again = upgrade(old, mlflow_upgrade=True).succeeded()
    assert "Nothing to do" in str(again.of("Say what the upgrade does")["msg"])
    assert old.deploy(**NEW).succeeded().stats.get("changed", 0) == 0
