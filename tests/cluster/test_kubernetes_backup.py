"""Snapshots in the cluster: written by a Job like the nightly one, proven by a drill, and put back."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from k8s.deployment import Deployment

pytestmark = pytest.mark.cluster

ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/kept/weights.bin"
WEIGHTS = bytes(range(256)) * 4096


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


def ask(
    deployment: Deployment, method: str, path: str, body: bytes | dict[str, Any] | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(deployment.address, 5000, timeout=60)
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {"Host": deployment.host, "Content-Type": "application/json" if isinstance(body, dict) else "x/y"}
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept: Deployment) -> None:
    status, said = ask(kept, "POST", "/api/2.0/mlflow/experiments/create", {"name": "kept"})
    assert status == 200, said
    experiment = json.loads(said)["experiment_id"]
    assert ask(kept, "PUT", ARTIFACT, WEIGHTS)[0] == 200
    snapshot = str(kept.play("backup").succeeded().of("Say what was written")["msg"])
    assert "1, 1.00 MB" in snapshot, snapshot

    drilled = str(kept.play("drill").succeeded().of("Say what was proven")["msg"])
    assert "can be restored. Nothing was changed." in drilled

    assert ask(kept, "POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": experiment})[0] == 200
    assert ask(kept, "DELETE", ARTIFACT)[0] == 200
    refused = kept.play("restore")
    assert refused.code != 0 and "mlflow_restore=true" in refused.message

    kept.play("restore", mlflow_restore=True).succeeded()
    found = json.loads(ask(kept, "GET", f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}")[1])
    assert found["experiment"]["lifecycle_stage"] == "active"
    assert ask(kept, "GET", ARTIFACT) == (200, WEIGHTS)
    databases = kept.sql("SELECT datname FROM pg_database", "postgres").split()
    assert not [name for name in databases if name.startswith("mlflow_before")], "what was replaced is gone"


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
