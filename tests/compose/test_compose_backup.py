"""Snapshots of a compose target: written, proven and put back in a container beside the servers."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from compose_target.deployment import Deployment
from compose_target.engine import docker

pytestmark = pytest.mark.compose

ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/kept/weights.bin"
WEIGHTS = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def kept(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """With its artifacts in a volume, and with users."""
    deployment = make(
        "compose_local",
        "t-backup",
        mlflow_server_auth="basic",
        mlflow_backup_enabled=True,
        mlflow_backup_scheduler="none",
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def ask(
    deployment: Deployment, method: str, path: str, body: bytes | dict[str, Any] | None = None
) -> tuple[int, bytes]:
    password = (deployment.folder / "secrets" / "admin-password").read_text().strip()
    connection = http.client.HTTPConnection(deployment.address, deployment.port, timeout=60)
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode(),
        "Content-Type": "application/json" if isinstance(body, dict) else "x/y",
    }
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept: Deployment) -> None:
    status, said = ask(kept, "POST", "/api/2.0/mlflow/experiments/create", {"name": "kept"})
    assert status == 200, said
    experiment = json.loads(said)["experiment_id"]
    assert ask(kept, "PUT", ARTIFACT, WEIGHTS)[0] == 200
    snapshot = str(kept.play("backup").succeeded().of("Say what was written")["msg"])
    assert "1, 1.00 MB" in snapshot and "Auth " in snapshot, snapshot

    drilled = str(kept.play("drill").succeeded().of("Say what was proven")["msg"])
    assert "can be restored. Nothing was changed." in drilled
    assert "Backup       20" in str(kept.play("status").succeeded().of("Show the status")["msg"])

    assert ask(kept, "POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": experiment})[0] == 200
    assert ask(kept, "DELETE", ARTIFACT)[0] == 200
    refused = kept.play("restore")
    assert refused.code != 0 and "mlflow_restore=true" in refused.message

    kept.play("restore", mlflow_restore=True).succeeded()
    found = json.loads(ask(kept, "GET", f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}")[1])
    assert found["experiment"]["lifecycle_stage"] == "active"
    assert ask(kept, "GET", ARTIFACT) == (200, WEIGHTS)
    databases = kept.sql("SELECT datname FROM pg_database").split()
    assert not [name for name in databases if name.startswith("mlflow_before")], "what was replaced is gone"


def test_a_second_deployment_with_backups_changes_nothing(kept: Deployment) -> None:
    assert kept.deploy().succeeded().stats.get("changed", 0) == 0


def test_destroy_keeps_the_snapshots_unless_it_is_told_otherwise(kept: Deployment) -> None:
    kept.destroy(mlflow_remove_data=True).succeeded()
    assert "t-backup-backup" in docker("volume", "ls", "--format={{.Name}}").split()
    kept.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded()
    assert "t-backup-backup" not in docker("volume", "ls", "--format={{.Name}}").split()
