"""What status says of backups in a cluster: those by the schedule count, and those by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.playbooks import REPOSITORY, run_play

TEMPLATE = REPOSITORY / "playbooks" / "templates" / "status_schedule.txt.j2"


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


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    rendered = "{{ lookup('ansible.builtin.template', template) | trim }}"
    tasks = [
        {
            "name": name,
            "ansible.builtin.debug": {"msg": rendered},
            "vars": {
                "template": str(TEMPLATE),
                "__cron_jobs": {"resources": crons},
                "__backup_jobs": {"resources": jobs},
            },
        }
        for name, (crons, jobs, _said) in CASES.items()
    ]
    result = run_play(tasks).succeeded()
    return {name: str(result.of(name)["msg"]) for name in CASES}


@pytest.mark.parametrize("case", CASES)
def test_status_says_when_a_backup_last_succeeded_and_what_failed_since(case: str, said: dict[str, str]) -> None:
    assert said[case] == CASES[case][2]
