"""What gc finds in a database, and how it says what went wrong; MLflow's part is in tests/integration/test_gc.py."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import gc, uploads
from support.ports import free_port

MOMENT = 1_000
# Of MLflow's tables, what gc reads.
TABLES = """
CREATE TABLE experiments (experiment_id INTEGER, name, artifact_location, lifecycle_stage, last_update_time);
CREATE TABLE runs (run_uuid, name, experiment_id INTEGER, artifact_uri, lifecycle_stage, deleted_time);
CREATE TABLE logged_models (model_id, name, experiment_id INTEGER, artifact_location, lifecycle_stage,
  last_updated_timestamp_ms);
CREATE TABLE metrics (run_uuid);
CREATE TABLE params (run_uuid);
CREATE TABLE tags (run_uuid);
CREATE TABLE trace_info (experiment_id INTEGER);
CREATE TABLE model_versions (name, version, source, storage_location, current_stage);
INSERT INTO experiments VALUES (0, 'Default', 'x:/0', 'active', 5), (1, 'old', 'x:/1', 'deleted', 999),
  (2, 'young', 'x:/2', 'deleted', 1000);
INSERT INTO runs VALUES ('live', 'a', 0, 'x:/0/live', 'active', NULL), ('old', 'b', 0, 'x:/0/old', 'deleted', 1000),
  ('young', 'c', 0, 'x:/0/young', 'deleted', 1001), ('undated', 'd', 0, 'x:/0/undated', 'deleted', NULL),
  ('brought-back', 'e', 1, NULL, 'active', NULL), ('later', 'f', 1, 'x:/1/later', 'deleted', 2000);
INSERT INTO logged_models VALUES ('m-old', 'm', 0, 'x:/0/models/m-old', 'deleted', 1000),
  ('m-live', 'm', 1, 'x:/1/models/m-live', 'active', 5), ('m-young', 'm', 2, 'x:/2/models/m-young', 'deleted', 1001);
INSERT INTO metrics VALUES ('live'), ('old'), ('old'), ('later');
INSERT INTO params VALUES ('old');
INSERT INTO trace_info VALUES (0), (1), (1);
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


def gather(database: Path) -> gc.Candidates:
    return gc.gather(f"sqlite:///{database}", None, MOMENT)


def test_what_is_old_enough_is_found_and_what_goes_with_its_experiment(database: Path) -> None:
    found = {(thing.kind, thing.id): thing.own for thing in gather(database).things}
    assert found == {
        ("experiments", "1"): True,
        ("runs", "old"): True,
        ("runs", "brought-back"): False,
        ("runs", "later"): False,
        ("logged_models", "m-old"): True,
        ("logged_models", "m-live"): False,
    }


def test_rows_that_go_are_counted_and_what_was_deleted_later_is_told_apart(database: Path) -> None:
    found = gather(database)
    assert found.rows == {
        "experiments": 1, "runs": 3, "logged_models": 2, "metrics": 3, "params": 1, "tags": 0, "traces": 2,
    }  # fmt: skip
    assert found.waiting == {"experiments": 1, "runs": 2, "logged_models": 1}


@pytest.mark.parametrize(
    ("source", "place", "breaks"),
    [
        ("x:/0/old/model", None, True),
        ("x:/0/old", None, True),
        ("runs:/old/model", None, True),
        ("models:/m-old", "elsewhere:/m", True),
        ("models:/m-live", "x:/0/models/m-old/model", True),
        ("x:/0/older/model", None, False),
        ("runs:/young/model", None, False),
        ("models:/m-live", "x:/1/models/m-live", False),  # mlflow gc does not remove its files
    ],
)
def test_registered_versions_that_lose_their_files_are_named(
    database: Path, source: str, place: str | None, breaks: bool
) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        statement = "INSERT INTO model_versions VALUES ('churn', 3, ?, ?, ?)"
        connection.execute(statement, (source, place, "None"))
        connection.execute(statement, (source, place, "Deleted_Internal"))
    assert gather(database).model_versions == (["churn version 3"] if breaks else [])


def test_a_look_cannot_write(database: Path) -> None:
    database.chmod(0o400)
    before = database.read_bytes()
    gather(database)
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("age", "milliseconds"),
    [("30d", 2_592_000_000), ("1d12h", 129_600_000), ("0s", 0), ("1.5h", 5_400_000), ("1d2h3m4.5s", 93_784_500)],
)
def test_an_age_is_read_as_mlflow_reads_it(age: str, milliseconds: int) -> None:
    assert gc.milliseconds(age) == milliseconds


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "1h1d", "30 days", "1..5d", "1d; drop"])
def test_what_is_no_age_is_refused_with_an_example(age: str) -> None:
    with pytest.raises(BadInput, match=r"such as 30d, 12h or 1d12h"):
        gc.milliseconds(age)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            "a warning\nTraceback (most recent call last):\n  File x\n    y()\nValueError: no good.\n",
            "ValueError: no good",
        ),
        (
            "Traceback (most recent call last):\n  x\nA: first\n\nDuring handling\n\n"
            "Traceback (most recent call last):\n  y\nb.C: second\nmore of it\n",
            "b.C: second more of it",
        ),
        ("Usage: mlflow gc\n\nError: No such option\n", "Usage: mlflow gc Error: No such option"),
        ("", "it said nothing"),
    ],
)
def test_the_cause_is_the_last_exception_without_the_way_there(errors: str, said: str) -> None:
    assert gc.cause(errors) == said


def test_no_secret_is_in_the_arguments_of_mlflows_gc_and_its_environment_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Any] = []

    class Program:
        stdout, returncode = io.StringIO("Run with ID 1 has been permanently deleted.\n"), 0

        def __init__(self, command: list[str], env: dict[str, str], **_more: Any) -> None:
            started.extend((command, env))

        def wait(self) -> int:
            return 0

        poll = wait

    monkeypatch.setattr(gc.subprocess, "Popen", Program)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-another-server")
    server = Server("https://mlflow", "admin", "admins-password", timeout=120)
    uri = "postgresql+psycopg://mlflow@db/mlflow"
    assert gc._mlflow_gc(server, uri, "databases-password", "30d", 1, lambda _text: None) == ""
    command, environment = started
    assert command[-3:] == ["--older-than=30d", f"--backend-store-uri={uri}", "--tracking-uri=https://mlflow"]
    assert "-password" not in json.dumps(command)
    expected = {
        "PGPASSWORD": "databases-password",
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": "admins-password",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "120",
    }
    assert expected.items() <= environment.items() and "MLFLOW_TRACKING_TOKEN" not in environment


@pytest.mark.parametrize(("problems", "status"), [([], 0), (["Something is left."], 1)])
def test_the_command_asks_what_the_module_asks_and_fails_when_something_is_left(
    problems: list[str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def run(server: Server, uri: str, password: str | None, older_than: str, **options: Any) -> dict[str, Any]:
        asked.append((server.url, server.timeout, uri, password, older_than, options["check"]))
        return {"changed": True, "problems": problems}

    monkeypatch.setattr(gc, "run", run)
    monkeypatch.setenv("PGPASSWORD", "kept")
    uri = "sqlite:////srv/x.db"
    assert cli.main(["gc", "--url=http://s:5000", f"--database-uri={uri}", "--older-than=7d", "--check"]) == status
    assert asked == [("http://s:5000", 120.0, uri, "kept", "7d", True)]
    said = protocol.result_of(capsys.readouterr().out)
    assert (said.get("msg"), said["problems"]) == (problems[0] if problems else None, problems)


def test_what_a_cut_off_upload_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "artifacts" / "1" / "r", tmp_path / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    yesterday = time.time() - 90_000
    old = [inside / ".artifact.uploading.a1", inside / "model.bin", outside / ".artifact.uploading.b2"]
    for file in (*old, inside / ".artifact.uploading.now"):
        file.touch()
    for file in old:
        os.utime(file, (yesterday, yesterday))
    (inside / ".artifact.uploading.link").symlink_to(inside / "model.bin")
    (inside.parent / "linked").symlink_to(outside)
    folder = str(tmp_path / "artifacts")
    assert uploads.remove(folder, check=True) == 1 and old[0].exists()
    assert uploads.remove(folder, check=False) == 1
    assert uploads.remove(folder, check=False) == 0
    assert sorted(path.name for path in inside.iterdir()) == [
        ".artifact.uploading.link",
        ".artifact.uploading.now",
        "model.bin",
    ]
    assert old[2].exists()
    assert uploads.remove(str(tmp_path / "none"), check=False) == 0


def test_on_a_database_that_mlflows_gc_does_not_know_nothing_is_removed_or_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = f"crate://mlflow@127.0.0.1:{free_port()}/?schema=mlflow"
    assert cli.main(["gc", "--url=http://s:5000", f"--database-uri={uri}"]) == 1
    assert "MLflow's gc does not know CrateDB" in protocol.result_of(capsys.readouterr().out)["msg"]
