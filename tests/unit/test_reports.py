"""What the day-2 playbooks print, made of what modules return."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.filter import report as report_filter
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import upgrade

report = report_filter.report
SNAPSHOT: dict[str, Any] = {
    "id": "20261121T020000.123Z-8ea95121a0240df3",
    "created": "2026-11-21T02:00:00+00:00",
    "mlflow_version": "",
    "databases": {
        "tracking": {
            "kind": "sqlite",
            "server_version": "3.45",
            "rows": {"runs": 4, "tags": 3},
            "size": 2048,
            "seconds": 0.3,
        }
    },
    "artifacts": {"count": 2, "size": 3 * 1024**2, "seconds": 0.4},
    "new_bytes": 10,
    "left_out": [{"what": "artifact 0/link", "why": "no file"}],
}


def test_a_backup_is_told_with_its_figures_and_what_was_pruned() -> None:
    said = report({"snapshot": SNAPSHOT, "pruned": {"removed": ["a"], "kept": ["b", "c"]}}, "backup", {"uri": "/b"})
    assert said == [
        f"Snapshot     {SNAPSHOT['id']}",
        "In           /b",
        "Tracking     sqlite 3.45, 7 rows, 2.0 KiB, 0.3 s",
        "Artifacts    2, 3.0 MiB, 0.4 s",
        "New          10 B",
        "Left out     artifact 0/link: no file",
        "Removed      1 old snapshots; 2 are kept",
    ]
    assert report({"changed": True}, "backup", {"uri": "/b"}) == ["Check mode: a snapshot could be written to /b."]


def test_nobody_hides_lines_or_commands_to_a_terminal_in_the_name_of_an_artifact() -> None:
    name = "0/x\nRestored: all of it\r\x1b]0;owned\x07\u202etxt"
    left = [{"what": f"artifact {name}", "why": "no file"}]
    said = report({"snapshot": {**SNAPSHOT, "left_out": left}}, "backup", {"uri": "/b"})
    (line,) = [one for one in said if one.startswith("Left out")]
    assert line.isprintable() and "Restored: all of it" in line


RESTORED: dict[str, Any] = {
    "snapshot": SNAPSHOT,
    "live_rows": {"tracking": {"runs": 9}},
    "seconds": {"tracking": 1.5, "artifacts": 0.5},
    "secrets": {"flask-secret-key": "same"},
    "notes": ["read this"],
    "replaced": ["old.db"],
}


@pytest.mark.parametrize(
    ("details", "first", "kept"),
    [
        ({"check": True, "drill": True}, f"Check mode: {SNAPSHOT['id']} could be drilled; nothing was done.", False),
        ({"check": True, "drill": False}, f"Check mode: {SNAPSHOT['id']} could be restored; nothing was done.", False),
        ({"check": False, "drill": True}, f"Proven: {SNAPSHOT['id']} can be restored. Nothing was changed.", False),
        (
            {"check": False, "drill": False, "keep": True},
            f"Restored: {SNAPSHOT['id']}, and the server is healthy.",
            True,
        ),
    ],
)
def test_a_restore_is_told_apart_from_a_drill_and_from_check_mode(
    details: dict[str, Any], first: str, kept: bool
) -> None:
    lines = report(RESTORED, "restore", details)
    assert lines[0] == first
    assert lines[1] == "Taken        2026-11-21T02:00:00+00:00, MLflow unknown"
    assert lines[2] == "Tracking     7 rows, live 9" + ("" if details["check"] else ", 1.5 s")
    assert lines[3] == "Artifacts    2, 3.0 MiB" + ("" if details["check"] else ", 0.5 s")
    assert lines[4:6] == ["Secret       flask-secret-key: same", "Note         read this"]
    assert ("Kept         old.db" in lines) is kept


def test_a_gc_shows_twenty_things_and_says_how_many_more_there_are() -> None:
    items = [{"kind": "logged_models", "id": f"m-{number}", "name": "x"} for number in range(23)]
    found = {"before": {"runs": 30}, "waiting": {"runs": 4}, "items": items, "model_versions": ["churn version 3"]}
    lines = report(found, "gc", {"older_than": "30d"})
    assert lines[0] == "Nothing was removed. Deleted more than 30d ago, and would be removed:"
    assert lines[2] == f"{'runs':<14} {30:>9} {'':>9} {4:>14}"
    assert sum(line.startswith("logged model ") for line in lines) == 20 and "and 3 more" in lines
    assert lines[-1].endswith("is registered, and has its files in what would be removed")
    assert "uploads        2 that were cut off more than a day ago" in report(
        {**found, "uploads": 2}, "gc", {"older_than": "30d"}
    )
    done = {**found, "after": {"runs": 0}, "orphaned": ["mlflow-artifacts:/4/traces"], "seconds": 7.4}
    lines = report(done, "gc", {"older_than": "30d"})
    assert lines[0] == "Deleted more than 30d ago, and what is left of it:"
    assert lines[2] == f"{'runs':<14} {30:>9} {0:>9} {4:>14}"
    assert lines[-2].startswith("Left alone     mlflow-artifacts:/4/traces: ") and lines[-1] == "Took           7.4 s"


HEALTH: dict[str, Any] = {
    "verdict": "unhealthy",
    "version": "",
    "checks": [
        {"name": "process", "ok": True, "seconds": 0.0124, "message": "it answers"},
        {"name": "workload", "ok": False, "seconds": 0, "message": "stopped"},
    ],
    "not_tried": [{"name": "schema", "reason": "no database_uri was given"}],
}


def test_health_and_status_name_what_failed_and_what_was_not_tried() -> None:
    assert report(HEALTH, "health") == [
        "ok     process             12.4 ms  it answers",
        "FAILED workload             0.0 ms  stopped",
        "-      schema                       no database_uri was given",
    ]
    told = {"uri": "http://a", "database": "postgresql://h/d?sslmode=x", "artifacts": "/a", "backup": "none"}
    down = report(HEALTH, "status", {**told, "info": {"skipped": True}})
    assert "Program      stopped" in down and "Version      unknown" in down and not any("Runs" in one for one in down)
    assert "Database     postgresql://h/d" in down
    counts = {name: {"count": 5, "exact": name == "runs"} for name in ("experiments", "runs", "registered_models")}
    up = report(HEALTH, "status", {**told, "info": {"auth": "basic", **counts}})
    assert "Runs         5" in up and "Models       5 or more" in up and up[-1] == "Backup       none"


def schema(*kinds: str, state: str = "older", **more: Any) -> dict[str, Any]:
    pending = [{"revision": f"r{number}", "kind": kind, "rows": {"tags": 3}} for number, kind in enumerate(kinds)]
    space = {"needed": 2048, "free": None}
    return {"state": state, "revision": "r", "expected": "s", "pending": pending, "space": space, **more}


def planned(found: dict[str, Any], deployed: str = "3.16.0", runner: str = "host", **more: Any) -> dict[str, Any]:
    return upgrade.plan(found, deployed, {"version": "3.17.2", "runner": {"type": runner}}, "laptop", **more)


def test_an_upgrade_without_migrations_is_a_restart() -> None:
    plan = planned(schema(state="current"))
    assert (plan["needed"], plan["migrates"], plan["errors"]) == (True, False, [])
    assert plan["lines"][0] == "Upgrade      laptop: MLflow 3.16.0 to MLflow 3.17.2"
    assert plan["lines"][-2:] == [
        "Way          snapshot, restart",
        "Back         MLflow 3.16.0 is started again; no data is touched, should anything fail",
    ]
    assert planned(schema(state="current"), deployed="3.17.2")["needed"] is False
    told = report(plan, "upgrade", {"away": 2.34, "snapshot": "S", "uri": "/b"})
    assert "Away for     2.3 s, until the new version was proven" in told and "set mlflow_version to 3.16.0" in told[-1]


def test_an_upgrade_that_migrates_says_what_and_how_one_goes_back() -> None:
    plan = planned(schema("additive", "destructive", auth=schema(state="current")), runner="compose")
    assert plan["migrates"] and plan["errors"] == []
    assert "Schema       2 migrations, from r to s" in plan["lines"]
    assert "             r1 destructive, rows: tags 3" in plan["lines"] and "Users        the same" in plan["lines"]
    assert "Room         up to 2.0 KiB on the disk of the database, which cannot be seen from here" in plan["lines"]
    assert plan["way_back"] == {
        "mlflow_restore": True,
        "mlflow_restore_deploy": True,
        "mlflow_version": "3.16.0",
        "mlflow_image": "...",
    }
    told = report(plan, "upgrade", {"away": "2", "snapshot": "S", "uri": "/b", "way_back": "type this"})
    assert told[-1] == "type this"


CUT_OFF = {
    "id": "u1",
    "purpose": "an upgrade to MLflow 3.17.2",
    "since": "2026-11-26T02:00:00Z",
    "ended": True,
    "kept": {"snapshot": "S", "from": "3.16.0", "revision": "r"},
}


def test_an_upgrade_that_was_cut_off_is_continued_and_goes_back_by_the_snapshot_it_took() -> None:
    plan = planned(schema(state="current"), deployed="", reserved={"held": CUT_OFF, "revision": "s"})
    assert (plan["continues"], plan["snapshot"], plan["from"]) == ("u1", "S", "3.16.0")
    assert plan["needed"] and plan["migrates"] and not plan["started"] and plan["errors"] == []
    assert plan["lines"][1] == (
        "Continues    an upgrade to MLflow 3.17.2 of 2026-11-26T02:00:00Z, which was cut off; back leads the snapshot S"
    )


def test_of_one_that_was_cut_off_before_it_changed_the_schema_nothing_leads_back() -> None:
    plan = planned(schema("additive"), reserved={"held": CUT_OFF, "revision": "r"})
    assert (plan["continues"], plan["snapshot"]) == ("u1", "")


def test_one_that_had_begun_to_serve_is_brought_to_its_end() -> None:
    plan = planned(schema(state="current"), deployed="3.17.2", reserved={"held": CUT_OFF, "revision": "s"})
    assert plan["started"] and plan["needed"]


def test_somebody_elses_upgrade_is_not_continued_unless_that_is_said() -> None:
    others = {"held": {**CUT_OFF, "ended": False}, "revision": "s"}
    assert planned(schema(state="current"), deployed="3.17.2", reserved=others)["continues"] == ""
    assert planned(schema(state="current"), reserved=others, continued="u1")["continues"] == "u1"


@pytest.mark.parametrize(
    ("found", "more", "reason"),
    [
        (schema(state="current"), {"deployed": ""}, "Nothing is deployed on laptop"),
        (schema(version="3.18.0"), {}, "The image has MLflow 3.18.0, but mlflow_version is 3.17.2"),
        (schema("additive"), {"deployed": "", "runner": "kubernetes"}, "Only on hosts"),
        (schema("additive", auth=schema(state="empty")), {}, "the user database is empty"),
        (schema(state="newer"), {}, "For MLflow 3.17.2 the schema is newer."),
        (schema("unknown"), {}, "Nobody has read these migrations of MLflow 3.17.2 yet: r0."),
        (schema("additive", space={"needed": 2048, "free": 1024}), {}, "may need 2.0 KiB on the disk"),
    ],
)
def test_an_upgrade_that_cannot_be_is_refused_with_the_reason(
    found: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    (error,) = planned(found, **more)["errors"]
    assert reason in error


def test_migrations_that_nobody_has_read_may_be_allowed() -> None:
    assert planned(schema("unknown"), unknown_allowed=True)["errors"] == []


def test_an_upgrade_whose_schema_was_not_seen_says_so() -> None:
    assert "not inspected: MLflow 3.17.2 is not installed yet" in planned({})["lines"][-1]


def test_of_a_loop_what_failed_first_is_the_reason() -> None:
    loop = {"msg": "One or more items failed", "results": [{"msg": "fine"}, {"failed": True, "msg": "no room"}]}
    assert report(loop, "failure") == ["no room"]
    assert report({"failed": True, "msg": "gone"}, "failure") == ["gone"]
    assert report({"rc": 1}, "failure") == ["{'rc': 1}"]
    assert report({"msg": "gone\nfor good"}, "failure") == report({"msg": ["gone", "for good"]}, "failure")


def test_containers_with_a_problem_are_named_with_it() -> None:
    found = [{"name": "a", "problem": ""}, {"name": "b", "problem": "is exited"}]
    assert report({"containers": found}, "containers") == ["b: is exited"]
