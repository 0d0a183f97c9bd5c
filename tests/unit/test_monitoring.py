"""The exporter: what a scrape says of prepared states, and that a part that cannot be measured takes down no other."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates, cli, operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds, lock, revisions
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import (
    BadInput,
    CannotRead,
    EngineError,
    NotAllowed,
    SchemaError,
    ServerError,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring import cache, counts, exporter, readings
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.cache import Cache, Part
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.metrics import (
    METRICS,
    VERDICTS,
    Reading,
    Sample,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.settings import Settings
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import results
from support import exporter as exporting
from support.exporter import Values
from support.snapshots import Small

TABLES = """
CREATE TABLE alembic_version (version_num TEXT);
CREATE TABLE experiments (lifecycle_stage TEXT);
CREATE TABLE runs (status TEXT, lifecycle_stage TEXT);
CREATE TABLE registered_models (name TEXT);
CREATE TABLE model_versions (current_stage TEXT);
CREATE TABLE trace_info (request_id TEXT);
INSERT INTO alembic_version VALUES ('head');
INSERT INTO experiments VALUES ('active'), ('active'), ('deleted');
INSERT INTO runs VALUES ('FINISHED', 'active'), ('FINISHED', 'active'), ('FAILED', 'active'), ('FAILED', 'deleted'),
    ('a client''s own', 'active');
INSERT INTO registered_models VALUES ('one');
INSERT INTO model_versions VALUES ('None'), (NULL), ('Deleted_Internal');
INSERT INTO trace_info VALUES ('a'), ('b');
"""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(revisions, "known", lambda _kind: {"base": None, "head": "base"})
    path = tmp_path / "data" / "mlflow.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, rows=10, size=1000)


def scraped(settings: Settings) -> Values:
    """What one scrape says after everything was measured once, by name without prefix and values of labels."""
    return exporting.parsed(exporter.once(settings, silent))


def of_database(path: Path, **others: Any) -> Settings:
    return Settings("mlflow", database={"uri": f"sqlite:///{path}"}, **others)


def verdict(values: Values, part: str) -> str:
    [found] = [word for word in VERDICTS if values["collection_verdict", (part, word)]]
    return found


def test_the_counts_are_those_of_the_database_without_what_users_deleted(database: Path) -> None:
    values = scraped(of_database(database, version="3.17.2", profile="light"))
    assert values["info", ("3.17.2", "host", "light")] == 1
    assert values["experiments", ()] == 2
    runs = {labels[0]: value for (name, labels), value in values.items() if name == "runs"}
    assert runs == {"RUNNING": 0, "SCHEDULED": 0, "FINISHED": 2, "FAILED": 1, "KILLED": 0, "OTHER": 1}
    assert (values["registered_models", ()], values["model_versions", ()], values["traces", ()]) == (1, 2, 2)
    assert values["database_bytes", ()] == database.stat().st_size
    assert values["schema_matches", ()] == 1
    assert values["lock_held", ()] == 0
    absent = {"workspaces", "users", "database_connections", "check_up", "snapshot_success", "disk_free_bytes"}
    assert not absent & {name for name, _labels in values}, "what a deployment does not have has no value"


def test_a_big_table_is_counted_by_a_part_of_it(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    found = kinds.database(f"sqlite:///{database}")
    monkeypatch.setattr(type(found), "estimates", lambda *_arguments: {"runs": 10 * counts.EXACT_ROWS})

    def sample(_self: object, table: str, percent: float) -> str:
        asked.append(f"{table} {percent:g}")
        return table

    monkeypatch.setattr(type(found), "sample", sample)
    samples = counts.of_tracking(found, 5)
    assert asked == ["runs 10"], "of 2 million rows a tenth is read"
    assert Sample("runs", 20, ("FINISHED",)) in samples and Sample("experiments", 2) in samples


def test_a_schema_that_does_not_fit_is_said_by_its_metric(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'base'")
    values = scraped(of_database(database))
    assert values["schema_matches", ()] == 0
    assert (values["collection_success", ("schema",)], verdict(values, "schema")) == (1, "broken")


def test_a_statement_that_takes_too_long_is_ended(database: Path) -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    began = time.monotonic()
    with (
        pytest.raises(EngineError, match="interrupted") as ended,
        kinds.database(f"sqlite:///{database}").bounded(0.2) as ask,
    ):
        ask(forever)
    assert time.monotonic() - began < 60
    assert cache.verdict_of(ended.value) == "could_not_look"


def test_whoever_measures_cannot_write(database: Path) -> None:
    with pytest.raises(EngineError, match="readonly"), kinds.database(f"sqlite:///{database}").bounded(5) as ask:
        ask("DELETE FROM runs")


def test_the_lock_is_seen_without_being_taken(database: Path) -> None:
    uri = f"sqlite:///{database}"
    with lock.held(uri, None, "gc"):
        values = scraped(of_database(database))
        assert values["lock_held", ()] == 1
        assert values["experiments", ()] == 2, "only a restore exchanges the database"
    with lock.held(uri, None, "backup", shared=True):
        assert scraped(of_database(database))["lock_held", ()] == 1
    assert scraped(of_database(database))["lock_held", ()] == 0


def test_the_database_is_left_alone_while_a_restore_works(database: Path) -> None:
    with lock.held(f"sqlite:///{database}", None, "restore"):
        values = scraped(of_database(database))
    assert values["lock_held", ()] == 1
    for part in ("database", "counts", "schema"):
        assert (values["collection_success", (part,)], verdict(values, part)) == (0, "could_not_look")
    assert "experiments" not in {name for name, _labels in values}
    assert scraped(of_database(database))["experiments", ()] == 2, "and is read again afterwards"


def test_a_restore_waits_for_who_only_looks(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = kinds.SQLite.__module__
    seen: list[list[int]] = [[4711], [4711], []]
    monkeypatch.setattr(f"{module}.users_of", lambda _path: seen.pop(0))
    tools: Any = None
    kinds.database(f"sqlite:///{database}").require_loadable("tracking", "3", tools, used=True)
    assert seen == []


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (NotAllowed("the keys are wrong"), "not_allowed_to_look"),
        (ServerError("answered 403", 403), "not_allowed_to_look"),
        (SchemaError("refused user mlflow: permission denied for table runs."), "not_allowed_to_look"),
        (CannotRead("it cannot be reached"), "could_not_look"),
        (BadInput("password_file: /x cannot be read"), "could_not_look"),
        (SchemaError("canceling statement due to statement timeout"), "could_not_look"),
        (SchemaError("the tables are gone"), "broken"),
        (ZeroDivisionError("a fault of ours"), "could_not_look"),
    ],
)
def test_a_part_that_fails_says_how_and_leaves_the_others(error: Exception, meant: str) -> None:
    def fail() -> Reading:
        raise error

    def work() -> Reading:
        return Reading([Sample("experiments", 3.0)])

    said: list[str] = []
    found = Cache([Part("one", 60, fail), Part("other", 60, work)], said.append)
    for part in found.parts:
        found.refresh(part)
        found.refresh(part)
    values = {(sample.name, sample.labels): sample.value for sample in found.samples()}
    assert values["experiments", ()] == 3
    assert (values["collection_success", ("one",)], values["collection_success", ("other",)]) == (0, 1)
    assert verdict(values, "one") == meant and verdict(values, "other") == "healthy"
    assert len(said) == 1 and str(error) in said[0], "a verdict is said when it becomes another one, not each time"


def test_values_of_an_earlier_round_are_not_shown_when_a_later_one_fails() -> None:
    rounds = iter([Reading([Sample("experiments", 3.0)]), CannotRead("gone")])

    def read() -> Reading:
        found = next(rounds)
        if isinstance(found, Exception):
            raise found
        return found

    found = Cache([Part("counts", 60, read)])
    found.refresh(found.parts[0])
    assert "experiments" in {sample.name for sample in found.samples()}
    found.refresh(found.parts[0])
    assert "experiments" not in {sample.name for sample in found.samples()}


def test_a_part_that_hangs_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, measured = threading.Event(), threading.Event()

    def hang() -> Reading:
        go_on.wait(60)
        return Reading()

    def work() -> Reading:
        measured.set()
        return Reading([Sample("experiments", 3.0)])

    found = Cache([Part("hangs", 1, hang), Part("works", 1, work)])
    found.start()
    try:
        assert measured.wait(60)
        end = time.monotonic() + 60
        while not found.samples() and time.monotonic() < end:
            time.sleep(0.05)
        assert {sample.labels for sample in found.samples() if sample.name == "collection_success"} == {("works",)}
    finally:
        found.stop()
        go_on.set()
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    late = {sample.name: sample.value for sample in found.samples() if sample.labels == ("works",)}
    assert late["collection_success"] == 0, "of a part that was not measured for an hour nothing is claimed"
    assert "experiments" not in {sample.name for sample in found.samples()}


def report(*checks: health.Check) -> health.Report:
    return health.Report("full", list(checks))


@pytest.mark.parametrize(
    ("checks", "up", "meant", "measured"),
    [
        ([health.Check("process", True, 0.1, "answers")], {"process": 1}, "healthy", 1),
        ([health.Check("process", False, 0.1, "no answer")], {"process": 0}, "broken", 1),
        (
            [
                health.Check("process", True, 0.1, "answers"),
                health.Check("database_read", False, 0.1, "the server wants credentials, or refused those it got."),
            ],
            {"process": 1},
            "not_allowed_to_look",
            0,
        ),
    ],
)
def test_checks_are_up_or_down_or_unknown(
    checks: list[health.Check], up: dict[str, float], meant: str, measured: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "check", lambda _server, _wanted: report(*checks))
    values = scraped(Settings("mlflow", server={"url": "http://127.0.0.1:9"}))
    assert {labels[0]: value for (name, labels), value in values.items() if name == "check_up"} == up
    assert (verdict(values, "health"), values["collection_success", ("health",)]) == (meant, measured)


def told(small: Small, **others: Any) -> Settings:
    snapshots = {"destination": small.place.uri, "name": small.source.name}
    return Settings("mlflow", snapshots=snapshots, **others)


def test_snapshots_have_an_age_and_a_result(small: Small) -> None:
    settings = told(small, snapshot_seconds=86400.0, drill_seconds=31 * 86400.0)
    values = scraped(settings)
    assert (values["snapshot_timestamp_seconds", ()], values["snapshot_success", ()]) == (0, 0), "there never was one"
    assert values["snapshot_expected_seconds", ()] == 86400
    assert values["drill_timestamp_seconds", ()] == 0
    assert ("drill_success", ()) not in values
    before = time.time()
    small.backup()
    values = scraped(settings)
    assert before - 1 <= values["snapshot_timestamp_seconds", ()] <= time.time() + 1
    assert (values["snapshot_success", ()], verdict(values, "snapshots")) == (1, "healthy")


def test_a_backup_that_failed_since_and_a_damaged_newest_one_are_no_success(small: Small, tmp_path: Path) -> None:
    small.backup()
    settings = told(small)
    time.sleep(1.1)  # notes are named by the second
    results.note(settings.snapshots, "backup", False, silent)
    values = scraped(settings)
    assert (values["snapshot_success", ()], verdict(values, "snapshots")) == (0, "broken")
    time.sleep(1.1)
    newest = small.backup()
    assert scraped(settings)["snapshot_success", ()] == 1, "a later one succeeded"
    manifest = Path(small.place.uri) / "manifests" / f"{newest.id}.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    assert scraped(settings)["snapshot_success", ()] == 0


def test_drills_and_failed_backups_are_noted_where_snapshots_are(small: Small) -> None:
    small.backup()
    destination = {
        "destination": small.place.uri,
        "name": small.source.name,
        "database_uri": f"sqlite:///{small.database}",
    }
    drill = protocol.Request("restore", {**destination, "artifacts_uri": str(small.artifacts), "drill": True})
    assert "failed" not in operations.run(drill)
    values = scraped(told(small))
    assert values["drill_success", ()] == 1
    assert time.time() - 60 < values["drill_timestamp_seconds", ()] <= time.time()
    time.sleep(1.1)
    with pytest.raises(EngineError):
        operations.run(protocol.Request("restore", {**destination, "snapshot": "20200101", "drill": True}))
    values = scraped(told(small))
    assert (values["drill_success", ()], verdict(values, "drill")) == (0, "broken")
    time.sleep(1.1)
    with pytest.raises(EngineError):
        operations.run(protocol.Request("backup", {**destination, "database_uri": "sqlite:////nowhere/mlflow.db"}))
    assert scraped(told(small))["snapshot_success", ()] == 0


def test_check_mode_notes_nothing(small: Small) -> None:
    small.backup()
    before = small.objects()
    for operation, options in (("restore", {"drill": True, "snapshot": "20200101"}), ("backup", {})):
        nowhere = {"destination": small.place.uri, "database_uri": "sqlite:////nowhere/mlflow.db", **options}
        with pytest.raises(EngineError):
            operations.run(protocol.Request(operation, nowhere, check=True))
    assert small.objects() == before


def test_notes_stay_few_and_those_that_nobody_wrote_are_passed_over(small: Small) -> None:
    small.backup()
    settings = told(small).snapshots
    folder = Path(small.place.uri) / "results"
    folder.mkdir()
    digest = results._digest(small.source.name)
    for name in ("drill", f"drill-{digest}-20269999T000000Z-failed", f"drill-{digest}-20990101T000000Z-exploded"):
        (folder / name).write_text("{}")
    for second in range(20):
        (folder / f"drill-{digest}-202601010000{second:02}Z-failed").write_text("{}")
        (folder / f"drill-{digest}-20260101T0000{second:02}Z-failed").write_text("{}")
    (folder / f"drill-{'0' * 16}-20300101T000000Z-failed").write_text("another deployment's")
    results.note(settings, "drill", True, silent)
    found = results.newest(settings, "drill")
    assert found and found.succeeded
    assert len(results._all(small.store, small.source.name, "drill")) == results._KEPT


def test_what_cannot_be_noted_is_said_and_ends_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    results.note({"destination": str(tmp_path / "absent")}, "drill", True, said.append)
    assert len(said) == 1 and "was not noted" in said[0]


def test_a_store_is_up_or_not_and_its_size_is_counted_once_an_hour(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings("mlflow", artifacts={"artifacts_uri": str(small.artifacts)})
    size = sum(path.stat().st_size for path in small.artifacts.rglob("*") if path.is_file())
    [part] = readings.parts(settings)
    assert part.read().samples == [Sample("artifact_store_up", 1.0), Sample("artifact_bytes", float(size))]
    (small.artifacts / "more").write_bytes(b"x" * 1000)
    assert Sample("artifact_bytes", float(size)) in part.read().samples
    values = scraped(Settings("mlflow", artifacts={"artifacts_uri": str(small.artifacts / "absent")}))
    assert (values["artifact_store_up", ()], verdict(values, "artifacts")) == (0, "broken")
    monkeypatch.setattr(readings, "_MOST_ARTIFACTS", 1)
    values = scraped(settings)
    assert values["artifact_store_up", ()] == 1
    assert ("artifact_bytes", ()) not in values, "there are too many to count"


def test_disks_and_certificates_are_measured_each_for_itself(tmp_path: Path) -> None:
    file = tmp_path / "server.crt"
    file.write_text(certificates.new_authority("authority").certificate)
    settings = Settings(
        "mlflow",
        disks={"data": str(tmp_path), "lost": str(tmp_path / "lost")},
        certificates={"server": str(file), "lost": str(tmp_path / "lost")},
    )
    values = scraped(settings)
    status = os.statvfs(tmp_path)
    assert values["disk_size_bytes", ("data",)] == status.f_frsize * status.f_blocks
    assert 0 < values["disk_free_bytes", ("data",)] <= values["disk_size_bytes", ("data",)]
    days = (values["certificate_expiry_timestamp_seconds", ("server",)] - time.time()) / 86400
    assert 3600 < days < 3660
    for part in ("disks", "certificates"):
        assert (values["collection_success", (part,)], verdict(values, part)) == (0, "could_not_look")
    assert ("disk_free_bytes", ("lost",)) not in values


def test_settings_are_checked_before_anything_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    for given, words in (
        ("{", "cannot be read"),
        ('{"nmae": "x"}', "unknown keys: nmae"),
        ("{}", "lack name"),
        ('{"name": "x", "disks": []}', "disks"),
        ('{"name": "x", "snapshots": {"bucket": "x"}}', "unknown keys of snapshots: bucket"),
        ('{"name": "x", "port": "http"}', "port"),
        ('{"name": "x", "interval": -1}', "interval"),
    ):
        file.write_text(given)
        with pytest.raises(BadInput, match=words):
            Settings.read(str(file))


def test_the_command_prints_what_a_scrape_would_get_and_no_result_behind_it(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"name": "mlflow", "database": {"uri": f"sqlite:///{database}"}}))
    with pytest.raises(SystemExit) as ended:
        cli.main(["export", "--settings", str(file), "--once"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "mlflow_ops_experiments 2.0" in out and protocol.PREFIX not in out
    file.write_text("{}")
    assert cli.main(["export", "--settings", str(file)]) == 1
    assert "lack name" in capsys.readouterr().out


def test_every_metric_is_on_the_page_and_no_other(read_page: Callable[[str], str]) -> None:
    rows = [line.split("`")[1] for line in read_page("monitoring.md").splitlines() if line.startswith("| `mlflow_ops_")]
    expected = {
        f"mlflow_ops_{name}" + (f"{{{','.join(labels)}}}" if labels else "")
        for name, (labels, _text) in METRICS.items()
    }
    assert set(rows) == expected and len(rows) == len(METRICS)


@pytest.fixture
def read_page() -> Callable[[str], str]:
    return lambda name: (Path(__file__).parents[2] / "docs" / name).read_text()
