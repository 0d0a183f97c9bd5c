"""Snapshots of a compose target: written, proven and put back in a container beside the servers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker
from support.kubernetes.load import under_load
from support.kubernetes.snapshots import ask, what_was_deleted_after_a_backup_is_there_again_after_the_restore

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


@pytest.fixture(scope="module")
def in_two_zones(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "compose_multi_az",
        "t-zones",
        mlflow_server_port=5011,
        mlflow_backup_enabled=True,
        mlflow_backup_scheduler="none",
    )
    try:
        deployment.deploy().succeeded()
        deployment.play("backup").succeeded()
        yield deployment
    finally:
        deployment.remove()


def experiments(deployment: Deployment) -> str:
    return deployment.sql("SELECT count(*) FROM experiments")


def a_new_one(deployment: Deployment, name: str) -> None:
    status, said = ask(deployment, "POST", "/api/2.0/mlflow/experiments/create", {"name": name})
    assert status == 200, said


def test_a_restore_starts_a_front_that_somebody_stopped(in_two_zones: Deployment) -> None:
    before = experiments(in_two_zones)
    a_new_one(in_two_zones, "after the backup")
    docker("kill", "t-zones-load-balancer")  # as if by hand: the engine does not start it again
    in_two_zones.play("restore", mlflow_restore=True).succeeded()
    assert experiments(in_two_zones) == before
    in_two_zones.wait_until_healthy()
    in_two_zones.play("health").succeeded()


def test_a_restore_right_after_a_zone_was_cut_off_is_not_held_up_by_its_connections(in_two_zones: Deployment) -> None:
    before = experiments(in_two_zones)
    a_new_one(in_two_zones, "before the cut")
    zone = {"mlflow_zone": "a"}
    with under_load(in_two_zones, 4, pause=0):
        in_two_zones.play("zone_outage", mlflow_zone_state="cut", **zone).succeeded()
    held = in_two_zones.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mlflow'")
    in_two_zones.play("zone_outage", mlflow_zone_state="healed", **zone).succeeded()
    print(f"\nconnections to the database while the zone was cut off: {held}")
    in_two_zones.play("restore", mlflow_restore=True).succeeded()
    assert experiments(in_two_zones) == before
    in_two_zones.wait_until_healthy()


def test_a_restore_while_a_zone_is_cut_off_is_refused_before_a_server_is_stopped(in_two_zones: Deployment) -> None:
    before = experiments(in_two_zones)
    zone = {"mlflow_zone": "a"}
    in_two_zones.play("zone_outage", mlflow_zone_state="cut", **zone).succeeded()
    try:
        since = in_two_zones.started()
        refused = in_two_zones.play("restore", mlflow_restore=True)
        assert refused.code and "would not come back: t-zones-server-1. Nothing was stopped." in refused.message
        assert "-e mlflow_zone_state=healed" in refused.message and "-e mlflow_zone=a" in refused.message
        assert in_two_zones.started() == since
        assert (ask(in_two_zones, "GET", "/health")[0], experiments(in_two_zones)) == (200, before)
    finally:
        in_two_zones.play("zone_outage", mlflow_zone_state="healed", **zone).succeeded()
    in_two_zones.wait_until_healthy()
