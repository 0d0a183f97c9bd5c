"""Snapshots of a compose target: written, proven and put back in a container beside the servers."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker
from support.kubernetes.kubectl import eventually
from support.kubernetes.snapshots import what_was_deleted_after_a_backup_is_there_again_after_the_restore
from support.playbooks import REPOSITORY

pytestmark = pytest.mark.compose


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


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept: Deployment) -> None:
    password = (kept.folder / "secrets" / "admin-password").read_text().strip()
    login = {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}
    snapshot = what_was_deleted_after_a_backup_is_there_again_after_the_restore(kept, login)
    assert "Auth " in snapshot, snapshot
    assert "Backup       20" in str(kept.play("status").succeeded().of("Show the status")["msg"])


# Who asked, as a module does. The servers are stopped.
_CLIENT = """
import sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.client import use
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.runner import ComposeRunner
name, project, host, deadline = sys.argv[1:]
use(host)
options = {"settings": "/etc/mlflow-backup/settings.json", "snapshot": "latest"}
request = protocol.Request("restore", options, deadline=float(deadline))
ComposeRunner(name, project).run(request, lambda text: None)
"""
_HOLDERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


def cut_off(kept: Deployment, way: str, seconds: float) -> None:
    """Start a restore, and end it after so many seconds in some way."""
    project = str(kept.folder / "operations" / "compose.yaml")
    deadline = str(seconds) if way == "deadline" else "0"
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / ".dev")}
    arguments = [kept.name, project, str(kept.variables["mlflow_docker_host"]), deadline]
    client = subprocess.Popen([sys.executable, "-c", _CLIENT, *arguments], env=env, stderr=subprocess.DEVNULL)
    if way == "kill the container":
        eventually("the restore runs", running, 120)
    time.sleep(0 if way == "deadline" else seconds)
    if way == "kill the container":
        docker("kill", *running(), check=False)
    elif way != "deadline":
        client.send_signal(signal.SIGKILL if way == "kill the client" else signal.SIGINT)
    client.wait(180)


def running() -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter=name=mlflow-ops-").split()


def test_a_restore_that_is_cut_off_leaves_nothing_running_no_lock_and_nothing_lost(kept: Deployment) -> None:
    kept.play("backup").succeeded()
    rows = kept.sql("SELECT count(*) FROM experiments")
    chance = random.Random(20261125)
    docker("stop", *kept.servers())
    for way in ("kill the client", "interrupt the client", "kill the container", "deadline", "kill the client"):
        cut_off(kept, way, chance.uniform(1, 8))
        eventually(f"after '{way}' nothing of the restore runs", lambda: not running(), 120)
        eventually(f"after '{way}' the lock is free", lambda: kept.sql(_HOLDERS) == "0", 120)
    kept.play("restore", mlflow_restore=True).succeeded()
    assert kept.sql("SELECT count(*) FROM experiments") == rows


def test_a_second_deployment_with_backups_changes_nothing(kept: Deployment) -> None:
    assert kept.deploy().succeeded().stats.get("changed", 0) == 0


def test_destroy_keeps_the_snapshots_unless_it_is_told_otherwise(kept: Deployment) -> None:
    said = kept.destroy(mlflow_remove_data=True).succeeded().of("Report what was removed, and what was kept")["msg"]
    assert "Left: the volumes t-backup-backup" in said and "All data was removed" not in said
    assert "t-backup-backup" in docker("volume", "ls", "--format={{.Name}}").split()
    done = kept.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded()
    assert done.of("Report what was removed, and what was kept")["msg"] == "All data was removed."
    assert "t-backup-backup" not in docker("volume", "ls", "--format={{.Name}}").split()
