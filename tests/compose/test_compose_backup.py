"""Snapshots of a compose target: written, proven and put back in a container beside the servers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker
from support.kubernetes.snapshots import what_was_deleted_after_a_backup_is_there_again_after_the_restore

pytestmark = pytest.mark.compose


@pytest.fixture(scope="module")
def kept(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """With its artifacts in a volume, and with users."""
    deployment = make(
        "compose_local",
        "t-backup",
        mlflow_server_port=5010,
        mlflow_server_auth="basic",
        mlflow_backup_enabled=True,
        mlflow_backup_scheduler="none",
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept: Deployment) -> None:
    password = (kept.folder / "secrets" / "admin-password").read_text().strip()
    login = {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}
    snapshot = what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept, login)
    assert "Auth " in snapshot, snapshot
    assert "Backup       20" in str(kept.play("status").succeeded().of("Show the status")["msg"])


def test_a_second_deployment_with_backups_changes_nothing(kept: Deployment) -> None:
    assert kept.deploy().succeeded().stats.get("changed", 0) == 0


def test_destroy_keeps_the_snapshots_unless_it_is_told_otherwise(kept: Deployment) -> None:
    said = kept.destroy(mlflow_remove_data=True).succeeded().of("Report what was removed, and what was kept")["msg"]
    assert "Left: the volumes t-backup-backup" in said and "All data was removed" not in said
    assert "t-backup-backup" in docker("volume", "ls", "--format={{.Name}}").split()
    done = kept.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded()
    assert done.of("Report what was removed, and what was kept")["msg"] == "All data was removed."
    assert "t-backup-backup" not in docker("volume", "ls", "--format={{.Name}}").split()
