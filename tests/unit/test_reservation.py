"""Between the operations of an upgrade nobody else changes the data: a note with the database keeps others away."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.action import mlflow_reservation as on_controller
from ansible_collections.mlops.mlflow.plugins.module_utils import _runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import restore_note
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError, LockHeld
from support.snapshots import Small

PURPOSE = {"purpose": "an upgrade to MLflow 3.17.2", "holder": "ops1 process 4711"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where notes lie, whoever runs the tests."""
    place = tmp_path / "operator"
    monkeypatch.setattr(restore_note, "default_place", lambda: str(place))
    return place


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path / "small", rows=10, size=10)


def options_of(small: Small) -> dict[str, Any]:
    return {
        "name": "small",
        "destination": small.place.uri,
        "database_uri": small.source.databases["tracking"],
        "artifacts_uri": str(small.artifacts),
    }


def reserve(small: Small, own: str, *, check: bool = False, **given: Any) -> dict[str, Any]:
    options = {"database_uri": small.source.databases["tracking"], **PURPOSE, **given}
    return operations.run(protocol.Request("reserve", options, check, reservation=own))


def test_who_carries_no_id_of_it_is_told_who_works_since_when_and_changes_nothing(small: Small) -> None:
    small.backup()
    uri = small.source.databases["tracking"]
    reserve(small, "ours")
    before = small.state()
    second = {
        "gc": {"database_uri": uri},
        "schema": {"database_uri": uri, "migrate": True},
        "restore": {**options_of(small), "snapshot": "latest", "journal_dir": str(small.home / "journal")},
        "reserve": {"database_uri": uri, "purpose": "an upgrade to MLflow 4", "holder": "ops2 process 1"},
    }
    for operation, options in second.items():
        for other in ("", "another"):
            with pytest.raises(LockHeld) as refused:
                operations.run(protocol.Request(operation, options, reservation=other))
            said = str(refused.value)
            assert "reserved for an upgrade to MLflow 3.17.2 since 20" in said and "by ops1 process 4711" in said
            assert "Nothing was changed" in said and "mlflow_upgrade_release=ours" in said
    # A deployment, which would start servers.
    with pytest.raises(LockHeld):
        operations.run(protocol.Request("schema", {"database_uri": uri}))
    # The Job of a manifest, which carries no id: who applies it has asked.
    with pytest.raises(EngineError) as unread:
        operations.run(protocol.Request("schema", {"database_uri": uri, "while_reserved": True}))
    assert not isinstance(unread.value, LockHeld)
    assert small.state() == before

    restored = operations.run(protocol.Request("restore", second["restore"], reservation="ours"))
    assert restored["changed"] and reserve(small, "ours", check=True)["held"]["id"] == "ours"
    reserve(small, "ours", state="absent")
    assert reserve(small, "", check=True)["held"] == {}
    operations.run(protocol.Request("restore", second["restore"]))


def test_backups_go_on_but_remove_no_snapshot_that_may_lead_back(small: Small) -> None:
    options = options_of(small) | {"keep_count": 1, "keep_days": 0, "prune": True}
    first = small.backup()
    reserve(small, "ours")
    small.add_rows(3)
    said: list[str] = []
    taken = operations.run(protocol.Request("backup", options), said.append)
    assert taken["snapshot"]["id"] != first and "pruned" not in taken
    assert any("No snapshot is removed now" in line for line in said)
    assert not operations.run(protocol.Request("backup", options | {"state": "pruned"}), said.append)["changed"]
    there = operations.run(protocol.Request("backup-info", {"destination": small.place.uri, "name": "small"}))
    assert len(there["snapshots"]) == 2
    reserve(small, "ours", state="absent")
    assert operations.run(protocol.Request("backup", options))["pruned"]["removed"]


def test_what_died_is_taken_over_with_what_it_kept_and_nobody_else_releases_it(small: Small) -> None:
    reserve(small, "dead", kept={"snapshot": "20261126T000000Z", "from": ""})
    assert not reserve(small, "other", state="absent")["changed"]
    found = reserve(small, "next", check=True)
    assert found["held"]["id"] == "dead" and "reserved for" in found["refused"]
    taken = reserve(small, "next", instead_of="dead", holder="ops2 process 1")
    assert taken["held"]["kept"] == {"snapshot": "20261126T000000Z", "from": "", "revision": "abc123"}
    with pytest.raises(LockHeld, match="by ops2 process 1"):
        reserve(small, "dead")
    assert reserve(small, "whoever", state="absent", instead_of="next")["changed"]


def test_the_revision_that_is_kept_is_that_of_the_note_so_that_a_change_shows(small: Small) -> None:
    reserve(small, "dead", kept={"snapshot": "s"})
    with closing(sqlite3.connect(small.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'def456'")
    taken = reserve(small, "next", instead_of="dead")
    assert (taken["held"]["kept"]["revision"], taken["revision"]) == ("abc123", "def456")


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00\xff", '{"id": "", "purpose": 3}', "{" * 9000, "x" * 20_000])
def test_a_note_that_nobody_can_read_keeps_others_away_and_can_be_given_up(small: Small, text: str) -> None:
    reserve(small, "ours")
    note = restore_note.file_of(str(small.database), ending=restore_note.RESERVATION)
    note.write_text(text)
    with pytest.raises(LockHeld, match=r"cannot be read.*mlflow_upgrade_release=unreadable"):
        operations.run(protocol.Request("gc", {"database_uri": small.source.databases["tracking"]}))
    assert reserve(small, "", state="absent", instead_of="unreadable")["changed"] and not note.exists()


@pytest.mark.parametrize("given", [{"purpose": "a\nb"}, {"holder": "x" * 201}, {"kept": {"snapshot": "\x1b[0m"}}])
def test_what_is_noted_is_short_and_printable(small: Small, given: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="printable"):
        reserve(small, "ours", **given)
    with pytest.raises(BadInput, match="reservation is empty"):
        reserve(small, "")


def test_the_note_is_where_only_the_operator_writes(small: Small, place: Path) -> None:
    place.mkdir(mode=0o700)
    place.chmod(0o777)
    with pytest.raises(EngineError, match="may be written by others"):
        reserve(small, "ours")
    assert not [path for path in small.database.parent.iterdir() if "reservation" in path.name]


def test_a_request_carries_the_reservation() -> None:
    request = protocol.Request("gc", {"database_uri": "sqlite:////nowhere/x.db"}, reservation="ours")
    assert protocol.Request.parse(request.line()) == request


def test_a_module_that_is_part_of_no_upgrade_needs_no_such_option() -> None:
    module: Any = SimpleNamespace(params={"runner": {}}, check_mode=False)
    assert _runner._request(module, "info", {}, {}, 0.0).reservation == ""


def test_the_controller_knows_its_own_playbooks_and_no_others() -> None:
    assert on_controller.holder().endswith(f" process {os.getpid()}")
    assert not on_controller.has_ended(on_controller.holder())
    with multiprocessing.get_context("fork").Pool(1) as workers:
        assert workers.apply(on_controller.holder) == on_controller.holder(), "of the playbook, not of its task"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ended = on_controller.holder().replace(f" process {os.getpid()}", f" process {gone.pid}")
    assert on_controller.has_ended(ended)
    for elsewhere in (
        f"elsewhere process {gone.pid}",
        f"{ended}0000000000000000000000",
        ended.replace(" process", ""),
        "",
    ):
        assert not on_controller.has_ended(elsewhere)
