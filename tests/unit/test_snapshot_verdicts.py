"""Snapshots: damaged, could not be looked at, and nothing to compare are told apart."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import (
    CannotRead,
    MissingLibrary,
    NotAllowed,
    SnapshotError,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import (
    backup,
    chunks,
    commands,
    manifest,
    verify,
)
from support.snapshots import Small


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, rows=10, size=1000)


def _missing(*_arguments: Any, **_named: Any) -> Any:
    raise MissingLibrary("zstandard", "read a snapshot")


def test_a_missing_library_says_nothing_about_the_snapshots(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = small.backup()
    with monkeypatch.context() as patched:
        patched.setattr(manifest, "load", _missing)
        with pytest.raises(MissingLibrary, match="zstandard"):
            verify.snapshots(small.place, None)
    with monkeypatch.context() as patched:
        patched.setattr(chunks, "assemble", _missing)
        with pytest.raises(MissingLibrary, match="zstandard"):
            verify.verify(small.place, taken.id)
    assert verify.verify(small.place, taken.id).problems == []


def test_a_database_without_mlflows_tables_is_not_backed_up(small: Small) -> None:
    with contextlib.closing(sqlite3.connect(small.database)) as connection, connection:
        connection.execute("DROP TABLE alembic_version")
    with pytest.raises(SnapshotError, match="no tables of MLflow"):
        small.backup()
    with pytest.raises(SnapshotError, match="no tables of MLflow"):
        backup.check(small.source, small.place, backup.Options())
    assert manifest.ids(small.store) == []


def test_a_drill_that_could_compare_nothing_has_proven_nothing(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = small.backup()
    known = taken.databases["tracking"]
    emptied = replace(taken, databases={"tracking": replace(known, rows={})})
    monkeypatch.setattr(manifest, "find", lambda *_arguments: emptied)
    with pytest.raises(SnapshotError, match="nothing could be compared"):
        small.restore()


def described(small: Small, **more: Any) -> dict[str, Any]:
    return commands.describe({"destination": small.place.uri, "name": "small", **more}, verify="all")


def test_backups_are_healthy_broken_or_were_not_seen(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.backup()
    assert described(small)["verdict"] == "healthy"
    for error, word in (
        (NotAllowed("the keys are wrong"), "not allowed to look: the keys are wrong"),
        (CannotRead("it cannot be reached"), "could not look: it cannot be reached"),
        (MissingLibrary("obstore", "read"), "could not look: The Python library obstore"),
    ):
        for module, function in ((manifest, "load"), (chunks, "assemble")):  # the first, and one that reads an object
            with monkeypatch.context() as patched:
                patched.setattr(module, function, raising(error))
                found = described(small)
            assert found["verdict"].startswith(word) and not found["healthy"]
            assert found["damaged"] == [] and found["problems"] == [found["verdict"]]
    with monkeypatch.context() as patched:
        patched.setattr(chunks, "assemble", raising(SnapshotError("damaged")))
        assert described(small)["verdict"].startswith("broken: tracking database")
    assert described(small, max_age_hours=1e-9)["verdict"].startswith("broken: the newest snapshot is")


def raising(error: Exception) -> Any:
    def fail(*_arguments: Any, **_named: Any) -> Any:
        raise error

    return fail


def test_a_folder_that_may_not_be_read_is_no_broken_backup(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.backup()
    monkeypatch.setattr(os, "scandir", raising(PermissionError(13, "Permission denied")))
    verdict = described(small)["verdict"]
    assert verdict.startswith("not allowed to look: ") and "Permission denied" in verdict
