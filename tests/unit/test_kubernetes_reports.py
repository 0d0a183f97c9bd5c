"""What is said of a deployment in a cluster: its backups, by the schedule and by hand, and what a removal took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import reports


def ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


NIGHT, NOON, OLD = ago(10), ago(2), ago(40)


def cron(**status: str) -> list[dict[str, Any]]:
    return [{"spec": {"schedule": "0 2 * * *"}, "status": status, "metadata": {"creationTimestamp": OLD}}]


def job(command: str, created: str, **status: Any) -> dict[str, Any]:
    # By hand: what it is to do is in its request, and in its name.
    container = {"args": ["run", "--request=/etc/mlflow-request/request"]}
    return {
        "metadata": {"name": f"mlflow-backup-{command}-1a2b3c4d", "creationTimestamp": created},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": status,
    }


CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = {
    "nothing": ([], [], "no schedule"),
    "by hand without a schedule": ([], [job("backup", NOON, completionTime=NOON)], f"no schedule, last success {NOON}"),
    "not yet": (
        cron(),
        [],
        "0 2 * * * UTC, none has succeeded yet: overdue, 26.0 h are allowed",
    ),
    "by the schedule": (cron(lastSuccessfulTime=NIGHT), [], f"0 2 * * * UTC, last success {NIGHT}"),
    "by hand": (cron(), [job("backup", NOON, completionTime=NOON)], f"0 2 * * * UTC, last success {NOON}"),
    "both": (
        cron(lastSuccessfulTime=NIGHT),
        [job("backup", OLD, completionTime=OLD), job("drill", NOON, completionTime=NOON)],
        f"0 2 * * * UTC, last success {NIGHT}",
    ),
    "overdue": (
        cron(lastSuccessfulTime=OLD),
        [],
        f"0 2 * * * UTC, last success {OLD}: overdue, 26.0 h are allowed",
    ),
    "failed since": (
        cron(lastSuccessfulTime=NIGHT),
        [job("backup", NOON, failed=1)],
        f"0 2 * * * UTC, last success {NIGHT}\n             mlflow-backup-backup-1a2b3c4d failed",
    ),
    "failed before": (
        cron(),
        [job("backup", NIGHT, failed=1), job("backup", NOON, completionTime=NOON)],
        f"0 2 * * * UTC, last success {NOON}",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_status_says_when_a_backup_last_succeeded_and_what_failed_since(case: str) -> None:
    crons, jobs, said = CASES[case]
    assert reports.backups(crons, jobs, 26.0, datetime.now(UTC)) == said


def test_a_suspended_schedule_is_none() -> None:
    suspended = cron(lastSuccessfulTime=NIGHT)
    suspended[0]["spec"]["suspend"] = True
    assert reports.backups(suspended, [], 26.0, datetime.now(UTC)) == "no schedule"


def test_a_backup_by_the_schedule_is_known_by_what_it_runs() -> None:
    scheduled = job("at-night", NOON, completionTime=NOON)
    scheduled["spec"]["template"]["spec"]["containers"][0]["args"] = ["backup", "--prune"]
    scheduled["metadata"]["name"] = "mlflow-backup-29012345"
    said = reports.backups(cron(), [scheduled], 26.0, datetime.now(UTC))
    assert said == f"0 2 * * * UTC, last success {NOON}"


PLANNED = {
    "removed": ["Deployment mlflow", "Secret mlflow-auth"],
    "kept": ["PersistentVolumeClaim data", "PersistentVolume pv-1"],
}
EXTERNAL = [{"type": "external_s3", "uri": "s3://models"}, {"type": "postgresql", "uri": "postgresql://db"}]


def test_a_removal_says_first_what_it_would_take_and_keep() -> None:
    said = reports.removal(PLANNED, None, EXTERNAL, "s3://backups", "team-a")
    assert (said["removed"], said["kept"]) == (PLANNED["removed"], PLANNED["kept"])
    assert said["text"] == [
        "Would be removed: Deployment mlflow, Secret mlflow-auth.",
        "Would be kept in the namespace team-a: PersistentVolumeClaim data, PersistentVolume pv-1. "
        "Deploy again to use it.",
        "Outside of the cluster, and not touched: s3://models, s3://backups.",
    ]


def test_a_removal_says_afterwards_what_is_still_there() -> None:
    said = reports.removal(PLANNED, ["PersistentVolumeClaim data", "Secret mlflow-auth"], [], "/mnt/backup", "a")
    assert said["removed"] == ["Deployment mlflow"]
    assert said["kept"] == ["PersistentVolumeClaim data", "Secret mlflow-auth", "PersistentVolume pv-1"]
    assert said["outside"] == []
    assert "Kept in the namespace a: " in said["text"][1]


def test_a_removal_of_everything_and_of_nothing_says_so() -> None:
    everything = reports.removal({"removed": ["Deployment mlflow"], "kept": []}, [], [], "", "a")
    assert everything["text"] == ["Removed: Deployment mlflow.", "All data was removed."]
    nothing = reports.removal({"removed": [], "kept": []}, [], [], "", "a")
    assert nothing["text"] == ["Removed: nothing, because nothing was there."]
