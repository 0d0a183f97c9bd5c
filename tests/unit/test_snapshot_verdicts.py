"""Snapshots: damaged, could not be looked at, and nothing to compare are told apart."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import MissingLibrary, SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import chunks, manifest, verify
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
    assert manifest.ids(small.store) == []


def test_a_drill_that_could_compare_nothing_has_proven_nothing(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = small.backup()
    known = taken.databases["tracking"]
    emptied = replace(taken, databases={"tracking": replace(known, rows={})})
    monkeypatch.setattr(manifest, "find", lambda *_arguments: emptied)
    with pytest.raises(SnapshotError, match="nothing could be compared"):
        small.restore()
