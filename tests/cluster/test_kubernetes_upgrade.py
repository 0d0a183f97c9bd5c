"""An old version in the cluster, upgraded under load: what fails on the way leads back to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from k8s.deployment import Deployment
from k8s.load import under_load
from testcluster.target_images import MLFLOW, OLD_MLFLOW, OLD_VERSION

pytestmark = pytest.mark.cluster

OLD = {"mlflow_image": OLD_MLFLOW, "mlflow_version": OLD_VERSION}
NEW = {"mlflow_image": MLFLOW}
# What only shows when the server is started, after the migration.
BROKEN = {"mlflow_server_env": {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NoSuchPool"}, "mlflow_server_health_timeout": 20}


@pytest.fixture(scope="module")
def old(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make("t-upgrade", mlflow_backup_storage_size="1Gi")
    try:
        deployment.deploy(**OLD).succeeded()
        yield deployment
    finally:
        deployment.remove()


def upgrade(deployment: Deployment, *options: str, **variables: Any) -> Any:
    return deployment.play("upgrade", *options, **{**NEW, **variables})


def version(deployment: Deployment) -> str:
    return deployment.kubectl.execute(deployment.server(), "python", "-c", "import mlflow; print(mlflow.__version__)")


def test_an_upgrade_says_what_it_will_do_goes_back_when_it_fails_and_then_succeeds(old: Deployment) -> None:
    pods = {pod["metadata"]["uid"] for pod in old.servers()}
    refused = old.deploy(**NEW)
    assert refused.code != 0 and "run the playbook upgrade" in refused.message
    assert {pod["metadata"]["uid"] for pod in old.servers()} == pods, "the old servers were touched"

    mistaken = old.play("upgrade", **{**OLD, "mlflow_version": "3.17.2"})
    assert mistaken.code and f"The image has MLflow {OLD_VERSION}, but mlflow_version is 3.17.2" in mistaken.message

    planned = upgrade(old).succeeded()
    said = str(planned.of("Say what the upgrade does")["msg"])
    assert f"MLflow {OLD_VERSION} to MLflow 3.17.2" in said and "75868b020152 destructive" in said
    assert "To upgrade: -e mlflow_upgrade=true" in said

    with under_load(old, threads=2, pause=0.1) as first:
        failed = upgrade(old, mlflow_upgrade=True, **BROKEN)
        assert failed.code != 0, "the broken version was let through"
        assert f"MLflow {OLD_VERSION} serves again, after " in failed.message, failed.message
        assert "NoSuchPool" in failed.message
        old.wait_until_ready()
        before = first.answers
        time.sleep(2)
        assert first.answers > before, "nobody could write after it went back"
    assert version(old).strip() == OLD_VERSION
    assert first.lost(old) == {}

    with under_load(old, threads=2, pause=0.1) as second:
        upgraded = upgrade(old, mlflow_upgrade=True).succeeded()
    print(upgraded.of("Say what was done")["msg"], first, second, sep="\n")
    assert version(old).strip() == "3.17.2"
    assert (first.lost(old), second.lost(old)) == ({}, {})
    left = old.kubectl.json("get", "jobs,configmaps")["items"]
    assert not [one for one in left if one["metadata"]["name"] in ("mlflow-look", "mlflow-migrate")]

    again = upgrade(old, mlflow_upgrade=True).succeeded()
    assert "Nothing to do" in str(again.of("Say what the upgrade does")["msg"])
    settled = old.deploy(**NEW).succeeded()
    assert settled.stats.get("changed", 0) == 0
