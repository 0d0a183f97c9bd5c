"""mlflow-ops: what a container prints, and what a role reads out of its log."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes, migrations, reservation
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError, SchemaError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import info, trial
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import commands

URI = "postgresql+psycopg2://mlflow@db/mlflow"
AUTH_URI = "postgresql+psycopg2://mlflow@db/mlflow_auth"


class Became(Exception):
    """A process that became another one does not come back."""


@pytest.fixture
def launch_file(tmp_path: Path) -> Path:
    file = tmp_path / "launch.json"
    file.write_text(json.dumps({"argv": ["python"], "env": {"_MLFLOW_SERVER_FILE_STORE": URI}}))
    return file


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What exec did, one word each: the databases that it waited for, then start."""
    done: list[str] = []

    def wait(uri: str, password: str | None, kind: tuple[str, str], what: str, seconds: float, _say: object) -> None:
        done.append(f"{what} {uri.rpartition('/')[2]} {kind[1]} {password} {seconds:.0f}")

    def start(launch_file: Path) -> None:
        done.append("start")
        raise Became(launch_file)

    monkeypatch.setenv("PGPASSWORD", "kept")
    monkeypatch.setattr(cli.waiting, "wait_until_current", wait)
    monkeypatch.setattr(cli.starter, "start", start)
    return done


@pytest.fixture
def termination_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "termination-log"
    file.touch()
    monkeypatch.setattr(cli, "_TERMINATION_MESSAGE", file)
    return file


def result(text: str) -> str:
    return f"{protocol.PREFIX}{text}"


def test_the_last_line_is_the_result_behind_the_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["health", "--url", "http://127.0.0.1:9", "--level", "live"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert status == 1
    said = json.loads(last.removeprefix(protocol.PREFIX))
    assert (said["healthy"], said["interface"]) == (False, protocol.INTERFACE)


def test_a_role_finds_the_result_among_other_lines() -> None:
    first, second = result('{"interface": "2.0", "n": 1}'), result('{"interface": "2.7", "n": 2}')
    log = f"warning: old\n{first}\n{second}\n2026 INFO on stderr, flushed late\n"
    assert protocol.result_of(log) == {"n": 2}, "the last one counts, and the interface is not part of it"


@pytest.mark.parametrize(
    ("said", "interface"),
    [('{"interface": "1.0", "n": 1}', "1.0"), ('{"n": 1}', "none"), ('{"interface": "10.0"}', "10.0")],
)
def test_an_image_of_another_generation_is_refused_with_the_remedy(said: str, interface: str) -> None:
    with pytest.raises(EngineError) as refused:
        protocol.result_of(result(said))
    for words in (f"speaks interface {interface},", f"this collection {protocol.INTERFACE}:", "playbook images"):
        assert words in str(refused.value)


def test_a_command_that_died_is_reported_with_the_end_of_its_log() -> None:
    with pytest.raises(EngineError, match=r"without a result.*Killed"):
        protocol.result_of("starting\nKilled\n")
    with pytest.raises(EngineError, match="it is empty"):
        protocol.result_of("")


def test_a_result_that_was_cut_off_is_reported_as_none() -> None:
    with pytest.raises(EngineError, match=r"without a result.*\"checks\": \[1,"):
        protocol.result_of(result('{"interface": "2.0", "checks": [1,') + "\n")


def test_an_error_is_one_sentence_and_the_exit_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--uri", "postgresql://mlflow@db/mlflow"]) == 1
    found = protocol.result_of(capsys.readouterr().out)
    assert found["failed"] is True
    assert "names no driver" in found["msg"]


def test_secrets_are_taken_from_the_environment_or_a_file_and_never_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "password"
    file.write_text("kept-to-the-file\n")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "kept-to-itself")
    cli.main(["info", "--url", "http://127.0.0.1:9"])
    cli.main(["info", "--url", "http://127.0.0.1:9", "--password-file", str(file)])
    with pytest.raises(SystemExit):
        cli.main(["info", "--password", "x"])
    assert "kept-to" not in "".join(capsys.readouterr())


def test_user_and_password_file_go_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def read(server: Any, _count_limit: int) -> dict[str, Any]:
        asked.append((server.username, server.password))
        return {}

    monkeypatch.setattr(info, "read", read)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "from-the-environment")
    file = tmp_path / "password"
    file.write_text("from the file \n")
    cli.main(["info", "--username", "admin", "--password-file", str(file)])
    cli.main(["info"])
    assert asked == [("admin", "from the file "), ("somebody", "from-the-environment")]


def test_a_password_file_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--password-file", str(tmp_path / "none")]) == 1
    assert f"{tmp_path}/none cannot be read: No such file" in protocol.result_of(capsys.readouterr().out)["msg"]


def test_exec_waits_for_the_schema_and_becomes_the_server_of_the_launch_file(
    launch_file: Path, order: list[str]
) -> None:
    with pytest.raises(Became, match=r"launch\.json"):
        cli.main(["exec", str(launch_file)])
    assert order == ["the backend store mlflow alembic_version kept 600", "start"]


def test_exec_waits_for_the_user_database_too(launch_file: Path, order: list[str]) -> None:
    with pytest.raises(Became):
        cli.main(["exec", str(launch_file), "--auth-uri", AUTH_URI, "--wait-timeout", "5"])
    assert order == [
        "the backend store mlflow alembic_version kept 5",
        "the user database mlflow_auth alembic_version_auth kept 5",
        "start",
    ]


def test_exec_waits_for_databases_that_an_operator_is_making(
    launch_file: Path, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeSchema(monkeypatch, None)
    with pytest.raises(Became):
        cli.main(["exec", str(launch_file), "--auth-uri", AUTH_URI, "--being-created"])
    assert fake.waited == [(URI, 600.0, True, None), (AUTH_URI, 600.0, True, None)]
    assert order[-1] == "start"


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_exec_without_a_launch_names_the_file(
    text: str | None, tmp_path: Path, order: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "launch.json"
    if text is not None:
        file.write_text(text)
    assert cli.main(["exec", str(file)]) == 1
    assert f"The launch file {file} cannot be read" in protocol.result_of(capsys.readouterr().out)["msg"]
    assert order == []


def test_exec_says_why_it_does_not_start(
    launch_file: Path, order: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wait(*_arguments: Any) -> None:
        raise SchemaError("The schema is newer.")

    monkeypatch.setattr(cli.waiting, "wait_until_current", wait)
    assert cli.main(["exec", str(launch_file)]) == 1
    assert protocol.result_of(capsys.readouterr().out) == {"failed": True, "msg": "The schema is newer."}
    assert order == []


def test_the_first_process_of_a_container_leaves_its_result_as_termination_message(
    termination_message: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.os, "getpid", lambda: 1)
    cli.main(["info", "--password-file", "/does/not/exist"])
    assert termination_message.read_text() == capsys.readouterr().out != ""


def test_a_command_in_a_running_container_leaves_that_message_alone(termination_message: Path) -> None:
    cli.main(["info", "--password-file", "/does/not/exist"])
    assert termination_message.read_text() == ""


class FakeSchema:
    """Stands in for the database: reachable, current, and offering so many connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, offered: int | None) -> None:
        self.asked: dict[str, Any] = {}
        self.waited: list[tuple[Any, ...]] = []
        self._offered = offered
        monkeypatch.setattr(cli.waiting, "wait_until_reachable", self.wait)
        monkeypatch.setattr(changes, "ensure", self.ensure)
        monkeypatch.setattr(reservation, "require", lambda *_: None)  # nobody upgrades it

    def wait(
        self, uri: str, _password: str | None, seconds: float, _say: object, being_created: bool, role: str | None
    ) -> None:
        self.waited.append((uri, seconds, being_created, role))

    def ensure(self, uri: str, _password: str | None, **options: Any) -> dict[str, Any]:
        self.asked |= {"uri": uri, **options}
        return {"changed": False, "max_connections": self._offered}


@pytest.mark.parametrize(("offered", "status"), [(96, 1), (97, 0), (500, 0), (None, 0)])
def test_a_database_that_offers_fewer_connections_than_planned_with_is_refused(
    offered: int | None, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeSchema(monkeypatch, offered)
    assert cli.main(["schema", "--uri", URI, "--connections", "97"]) == status
    said = protocol.result_of(capsys.readouterr().out)
    if status:
        for words in ("offers 96 connections", "97 were planned", "mlflow_database_max_connections"):
            assert words in said["msg"]
    else:
        assert said["max_connections"] == offered


def test_nobody_who_plans_no_connections_is_refused_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSchema(monkeypatch, 1)
    assert cli.main(["schema", "--uri", URI]) == 0


def test_the_schema_command_passes_on_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", "first-password")
    fake = FakeSchema(monkeypatch, 100)
    options = ["--grantee=mlflow", f"--auth-uri={AUTH_URI}", "--admin-username=boss", "--wait-timeout=180"]
    assert cli.main(["schema", f"--uri={URI}", *options, "--being-created", "--check", "--migrate"]) == 0
    assert fake.waited == [(URI, 180.0, True, "mlflow"), (AUTH_URI, 180.0, True, "mlflow")]
    assert fake.asked == {
        "uri": URI,
        "grantee": "mlflow",
        "auth_uri": AUTH_URI,
        "admin": "boss",
        "admin_password": "first-password",
        "migrate": True,
        "dry_run": True,
    }


def test_the_schema_is_told_together_with_the_version_that_inspected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setattr(migrations, "inspect", lambda *asked: {"asked": list(asked)})
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "3.17.2")
    assert cli.main(["schema-info", f"--uri={URI}", f"--auth-uri={AUTH_URI}"]) == 0
    found = protocol.result_of(capsys.readouterr().out)
    assert found == {"asked": [URI, "secret", AUTH_URI], "version": "3.17.2"}


def test_a_trial_starts_what_the_launch_file_describes_with_the_image_s_own_starter(
    launch_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def run(*asked: Any, **more: Any) -> dict[str, Any]:
        tried.append((asked, more))
        return {}

    monkeypatch.setattr(trial, "run", run)
    options = ["--version=3.17.2", f"--database-uri={URI}", "--url=http://127.0.0.1:5000/mlflow", "--no-smoke"]
    assert cli.main(["trial", str(launch_file), *options]) == 0
    ((launch, starter, server, wanted), more) = tried[0]
    assert launch["argv"] == ["python"] and Path(starter).name == "starter.py" and Path(starter).exists()
    assert (server.url, wanted.level, wanted.version) == ("http://127.0.0.1:5000/mlflow", "full", "3.17.2")
    assert more == {"seconds": 120.0, "smoke_test": False}


def test_a_snapshot_names_the_version_that_serves_and_a_restore_may_leave_the_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{tmp_path}/none/mlflow.db"
    settings = {"destination": "/b", "version": "3.17.2", "artifacts_uri": "/a", "database_uri": database}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    given: list[dict[str, Any]] = []

    def note(settings: dict[str, Any], **_more: Any) -> dict[str, Any]:
        given.append(settings)
        return {}

    monkeypatch.setattr(commands, "create_backup", note)
    monkeypatch.setattr(commands, "restore_snapshot", note)
    place = f"--settings={tmp_path / 'settings.json'}"
    assert cli.main(["backup", place, "--version=3.12.0"]) == 0
    assert cli.main(["restore", place, "--databases-only"]) == 0
    assert given[0]["version"] == "3.12.0" and "artifacts_uri" not in given[1]
