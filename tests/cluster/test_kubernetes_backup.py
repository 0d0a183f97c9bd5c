"""Snapshots in the cluster: written by a Job like the nightly one, proven by a drill, and put back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.snapshots import WEIGHTS, ask, what_was_deleted_after_a_backup_is_there_again_after_the_restore

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def kept(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-backup", mlflow_backup_enabled=True, mlflow_backup_storage_size="1Gi", mlflow_server_max_replicas=2
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept: Deployment) -> None:
    what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept)


def test_the_nightly_job_does_the_same(kept: Deployment) -> None:
    kept.kubectl("create", "job", "tonight", "--from=cronjob/mlflow-backup")
    kept.kubectl("wait", "--for=condition=Complete", "--timeout=120s", "job/tonight")
    assert '"changed": true' in kept.kubectl("logs", "job/tonight")


def test_what_users_deleted_is_removed_for_good_when_that_is_meant(kept: Deployment) -> None:
    created = ask(kept, "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})[1]
    run = json.loads(created)["run"]["info"]["run_id"]
    artifact = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model.bin"
    assert ask(kept, "PUT", artifact, WEIGHTS)[0] == 200
    assert ask(kept, "POST", "/api/2.0/mlflow/runs/delete", {"run_id": run})[0] == 200
    refused = kept.play("gc", mlflow_gc_older_than="0s")
    assert refused.code and "-e mlflow_gc=true" in refused.message
    assert ask(kept, "GET", artifact)[0] == 200
    done = kept.play("gc", mlflow_gc=True, mlflow_gc_older_than="0s").succeeded()
    found = done.of("Remove what was deleted long enough ago")
    assert found["changed"] and found["before"]["runs"] >= 1
    assert (found["after"]["runs"], found["left"], found["problems"]) == (0, [], [])
    assert ask(kept, "GET", artifact)[0] != 200
