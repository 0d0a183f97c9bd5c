"""The engine and what a real CrateDB said to it: the scenarios, played back, and on the stand-in of the test cluster,
which so does what the real one did."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.base import Tools
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import (
    BadInput,
    DatabaseUnavailable,
    SchemaError,
    SnapshotError,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import cratedb_application
from support.cratedb import record, running, scenarios, stand_in
from support.ports import free_port

Play = Callable[[str], Any]
ALL = dict.fromkeys(sorted(scenarios.TABLES))
ROWS = dict(sorted(scenarios.TABLES.items()))
SAID = "Another operation works on the schema mlflow of CrateDB: a backup"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Running]:
    with running.started(tmp_path_factory.mktemp("cratedb")) as found:
        yield found


@pytest.fixture(params=["recorded", "stand-in"])
def play(
    request: pytest.FixtureRequest, server: running.Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Play:
    """What a scenario returns; every statement of it must have been recorded."""
    monkeypatch.setenv("CRATEDB_REPOSITORY", str(server.repository))

    def recorded(name: str) -> Any:
        with stand_in.served(name) as (answers, port):
            try:
                return scenarios.ALL[name](record.database(f"http://127.0.0.1:{port}"), tmp_path / "work")
            finally:
                assert not answers.unknown

    def live(name: str) -> Any:
        record.prepare(server.url)
        return scenarios.ALL[name](record.database(server.url), tmp_path / "work")

    def played(name: str) -> Any:
        try:
            return recorded(name) if request.param == "recorded" else live(name)
        finally:
            assert list(server.repository.iterdir()) == [], "nothing is left where snapshots pass through"

    return played


def test_what_a_server_finds(play: Play) -> None:
    tables, revisions, rows, reserved, freed, has_size = play("look")
    assert (tables, revisions, rows) == (list(ALL), [], ROWS)
    assert (reserved, freed, has_size) == ("for a test", None, True)


def test_a_server_that_starts_while_its_tables_are_made_waits(play: Play) -> None:
    assert "GRANT DQL ON SCHEMA sys" in play("not_yet")


def test_a_dump_is_one_file_and_says_its_rows(play: Play) -> None:
    rows, revision, version, files, stored = play("dump")
    assert (rows, revision, version) == (ROWS, None, "6.4.1")
    assert files == stored == ["database.tar"]


def test_rows_are_those_of_the_snapshot_where_somebody_logs_meanwhile(play: Play) -> None:
    rows, later = play("busy")
    assert rows == ROWS and later == {**ROWS, "runs": ROWS["runs"] + 1}


def test_what_is_restored_takes_the_place_of_the_live_with_what_was_noted(play: Play) -> None:
    live, rows, names, comments, left, now = play("restore")
    assert live == rows == now == ROWS
    before = f"before_{scenarios.STAMP}"
    assert names == [before, "mlflow"], "what was live lies aside"
    assert comments == {"mlflow": "a note"}, "the note goes with what was loaded"
    assert left == ["mlflow"]


def test_without_tables_there_is_nothing_to_dump_and_an_older_dump_comes_back(play: Play) -> None:
    dumped, (live, rows, names, _comments, _left, now) = play("empty")
    assert dumped == [{}, None, "", [], []]
    assert (live, names) == (None, ["mlflow"]), "nothing is moved aside where nothing was"
    assert rows == now == ROWS


def test_an_exchange_that_was_cut_off_is_finished_by_who_asks_next(play: Play) -> None:
    names, rows, present = play("cut_off")
    assert (names, rows, present) == ([f"before_{scenarios.STAMP}"], ROWS, [])


def test_a_lock_is_held_alone_or_together(play: Play) -> None:
    said, left = play("lock")
    assert said == [SAID, "both", SAID]
    assert left == {}


def test_a_password_that_is_wrong_is_not_repeated_and_an_absent_server_may_come() -> None:
    absent = kinds.database(f"crate://mlflow@127.0.0.1:{free_port()}/?schema=mlflow", "hunter2-4711")
    with pytest.raises(DatabaseUnavailable, match="cannot be used") as refused:
        absent.contents("alembic_version")
    assert "hunter2" not in str(refused.value)


def test_without_the_folder_of_snapshots_a_backup_says_so_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRATEDB_REPOSITORY", "/nowhere")
    with pytest.raises(SnapshotError, match="pass through the folder /nowhere"):
        kinds.database("crate://mlflow@db/?schema=mlflow").require_dumpable("alembic_version", "tracking", Tools())


def test_nothing_migrates_its_schema() -> None:
    with pytest.raises(SchemaError, match="mlflow-cratedb has no migrations"):
        kinds.database("crate://mlflow@db/?schema=mlflow").require_unused()


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("crate://db:4200/?schema=mlflow", "must name user, host and schema"),
        ("crate://mlflow@db:4200/", "must name user, host and schema"),
        ("crate://mlflow@db:4200/mlflow?schema=mlflow", "and nothing else"),
        ("crate://mlflow@db:4200/?schema=doc", "a word of its own"),
        ("crate://mlflow@db:4200/?schema=My-Schema", "a word of its own"),
        ("crate://mlflow@db:4200/?schema=mlflow&servers=other", "has the option servers"),
        ("crate://mlflow:word@db:4200/?schema=mlflow", "holds a password"),
    ],
)
def test_a_uri_that_would_surprise_is_refused(uri: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        kinds.database(uri)


def test_the_application_alone_puts_the_password_into_the_uri() -> None:
    uri = "crate://mlflow@db:4200/?schema=mlflow"
    environment = {
        "PGPASSWORD": "p@ss:w/x%1",
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "OTHER": "x@y",
    }
    cratedb_application.complete(environment)
    written = "crate://mlflow:p%40ss%3Aw%2Fx%251@db:4200/?schema=mlflow"
    assert environment["_MLFLOW_SERVER_FILE_STORE"] == environment["_MLFLOW_SERVER_REGISTRY_STORE"] == written
    assert environment["OTHER"] == "x@y" and os.environ.get("_MLFLOW_SERVER_FILE_STORE") is None
