"""Artifacts in a real SeaweedFS with two volume servers, which lose one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import STORE, eventually, is_ready, name
from support.kubernetes.snapshots import WEIGHTS, ask

pytestmark = pytest.mark.cluster

WORK = "/api/2.0/mlflow-artifacts/artifacts/work"
NAMES = {"mlflow-artifacts", "mlflow-artifacts-master", "mlflow-artifacts-volume-0", "mlflow-artifacts-volume-1"}


@pytest.fixture(scope="module")
def weed(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-weed",
        mlflow_artifact_store_type="seaweedfs",
        mlflow_artifact_store_volume_servers=2,
        mlflow_artifact_store_copies=2,
        mlflow_artifact_store_metadata_size="1Gi",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_a_second_run_changes_nothing(weed: Deployment) -> None:
    assert weed.deploy().succeeded().stats["changed"] == 0


def test_every_artifact_is_read_while_one_volume_server_is_away(weed: Deployment) -> None:
    for number in range(10):
        assert ask(weed, "PUT", f"{WORK}/{number}", WEIGHTS)[0] == 200
    weed.kubectl("scale", "deployment/mlflow-artifacts-volume-0", "--replicas=0")
    eventually("it is gone", lambda: len(weed.kubectl.pods(STORE)) == 3)
    for number in range(10):
        assert ask(weed, "GET", f"{WORK}/{number}") == (200, WEIGHTS)
    # The next deployment brings it back.
    weed.deploy().succeeded()
    eventually("all are ready", lambda: sum(map(is_ready, weed.kubectl.pods(STORE))) == 4)
    assert ask(weed, "PUT", f"{WORK}/after", WEIGHTS)[0] == 200


def test_more_copies_than_volume_servers_are_refused(weed: Deployment) -> None:
    refused = weed.deploy(mlflow_artifact_store_copies=3)
    assert refused.code and "each copy of an object needs a volume server of its own" in refused.message


def test_a_removal_keeps_objects_and_keys_unless_it_is_told_otherwise(weed: Deployment) -> None:
    keys = weed.secrets()
    assert len([key for key in keys if key.startswith("mlflow-artifacts/")]) == 6
    weed.destroy().succeeded()
    assert not weed.kubectl.items("deployments")
    assert {name(claim) for claim in weed.kubectl.items("persistentvolumeclaims")} >= NAMES
    assert weed.secrets() == keys
    weed.deploy().succeeded()
    assert ask(weed, "GET", f"{WORK}/after") == (200, WEIGHTS)
    weed.destroy(mlflow_remove_data=True).succeeded()
    assert not weed.kubectl.items("persistentvolumeclaims")
