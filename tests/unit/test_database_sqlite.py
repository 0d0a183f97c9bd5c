"""A SQLite database: what the class Database promises, held against files."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.base import (
    Contents,
    Database,
    Dumping,
    Loading,
    Space,
    Tools,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError, SchemaError, SnapshotError

STAMP = "20261125210000123"
TABLES = "CREATE TABLE alembic_version (version_num TEXT); CREATE TABLE runs (name TEXT);"
ROWS = "INSERT INTO alembic_version VALUES ('head'); INSERT INTO runs VALUES ('one'), ('two');"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "live" / "mlflow.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES + ROWS)
    return path


@pytest.fixture
def database(file: Path) -> Database:
    return kinds.database(f"sqlite:///{file}")


def dumped(database: Database, folder: Path) -> tuple[Path, list[tuple[str, int]]]:
    """Dump a database; the stored file, and for what room was asked."""
    asked: list[tuple[str, int]] = []
    stored = folder / "stored"
    work = folder / "work"
    work.mkdir()

    def store(_folder: Path, path: Path, ended: Callable[[], bool]) -> Path:
        assert ended()
        return Path(shutil.copy(path, stored))

    to = Dumping(work, "alembic_version", store, lambda act, needed: asked.append((act, needed)))
    dump = database.dump(to, "tracking", Tools())
    assert (dump.revision, dump.rows, dump.files) == ("head", {"alembic_version": 1, "runs": 2}, [stored])
    return stored, asked


def loading(stored: Path, *, used: bool = True) -> Loading:
    def scratch() -> contextlib.AbstractContextManager[Path]:
        raise AssertionError("a file needs none")

    return Loading(
        {"database.sqlite": stored.stat().st_size},
        lambda _file, path, durable: shutil.copy(stored, path),
        scratch,
        lambda _folder, _needed: None,
        lambda path, like: shutil.copymode(like, path),
        used,
    )


def test_it_says_what_it_holds(database: Database) -> None:
    assert database.contents("alembic_version") == Contents(["alembic_version", "runs"], ["head"])
    assert database.contents("alembic_version_auth").revisions == []
    assert database.rows() == {"alembic_version": 1, "runs": 2}


def test_one_that_does_not_exist_yet_is_empty_and_is_not_made_by_looking(file: Path, database: Database) -> None:
    file.unlink()
    assert (database.contents("alembic_version"), database.space()) == (Contents([], []), Space(0, None))
    assert database.present() == []
    assert not file.exists()


def test_one_that_cannot_be_read_is_named(file: Path, database: Database) -> None:
    file.write_text("no database, but long enough to be taken for one" * 10)
    with pytest.raises(SchemaError, match=f"The SQLite database {file} cannot be read"):
        database.contents("alembic_version")


def test_a_session_that_reads_cannot_write(database: Database) -> None:
    with database.ask() as ask:
        assert ask("SELECT name FROM runs ORDER BY name") == [("one",), ("two",)]
    with pytest.raises(EngineError, match="readonly"), database.ask() as ask:
        ask("DELETE FROM runs")
    assert database.rows()["runs"] == 2


def test_its_size_and_what_is_free_beside_it(file: Path, database: Database) -> None:
    space = database.space()
    assert space.size == file.stat().st_size
    assert space.free is not None and space.free > 0


def test_what_a_dump_holds_is_there_again_after_a_load(database: Database, file: Path, tmp_path: Path) -> None:
    stored, asked = dumped(database, tmp_path)
    assert asked == [("copy", file.stat().st_size)]
    file.chmod(0o640)
    name = database.alongside("restoring", STAMP)
    loaded = database.load(name, loading(stored), "tracking", Tools())
    assert loaded.rows == database.rows() == database.named(name).rows()
    assert Path(name).stat().st_mode & 0o777 == 0o640, "as the live one"
    assert database.stamps("restoring") == {STAMP}
    assert database.has(name)
    database.discard(name)
    assert not database.has(name) and database.stamps("restoring") == set()
    database.discard(name)  # what is not there is no error


def test_a_damaged_dump_is_not_loaded(database: Database, tmp_path: Path) -> None:
    stored, _asked = dumped(database, tmp_path)
    stored.write_bytes(stored.read_bytes()[:4096])
    with pytest.raises(SnapshotError):
        database.load(database.alongside("drill", STAMP), loading(stored, used=False), "tracking", Tools())
    assert database.rows()["runs"] == 2


def test_the_files_that_belong_to_it_are_moved_with_it(file: Path, database: Database) -> None:
    file.with_name("mlflow.db-wal").touch()
    assert database.present() == ["", "-wal"]
    assert database.server() is None, "the file system moves them"


def test_one_that_is_missing_cannot_be_backed_up(file: Path, database: Database) -> None:
    database.require_dumpable("alembic_version", "tracking", Tools())
    file.unlink()
    with pytest.raises(SnapshotError, match=f"The tracking database {file} does not exist"):
        database.require_dumpable("alembic_version", "tracking", Tools())


def test_a_restore_that_was_cut_off_is_seen_before_an_empty_one_is_made(file: Path, database: Database) -> None:
    database.require_settled()
    file.rename(database.alongside("before", STAMP))
    with pytest.raises(SchemaError, match="Run the restore again"):
        database.require_settled()
