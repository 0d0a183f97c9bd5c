# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A SQLite database: a file on the host of the server."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlsplit

from ..connection import DatabaseUri
from ..errors import BadInput, SchemaError, SnapshotError
from . import restore_note, sqlite_lock
from .base import Ask, Contents, Database, Dump, Dumping, File, Live, Loaded, Loading, Space, Tools

# Of a dump.
FILE = "database.sqlite"
_BUSY_SECONDS = 60
_CONNECT_SECONDS = 10
_LONGEST_NOTE = 10_000
# Of SQLite's machine, between two looks at the clock.
_STEPS = 100_000
# Who only looks, such as the exporter, has it open for a moment.
_LOOKING_SECONDS = 10.0
# Of Python's driver, which leave the file what it is.
_OPTIONS = frozenset({"timeout", "check_same_thread", "isolation_level", "cached_statements"})


class SQLite(Database):
    """A file that SQLite makes itself. There are no roles, and whoever may read the file may do everything."""

    kind: ClassVar[str] = "sqlite"
    schemes: ClassVar[tuple[str, ...]] = ("sqlite",)
    limits_connections: ClassVar[bool] = False
    endings: ClassVar[tuple[str, ...]] = ("", "-wal", "-shm", "-journal")

    @classmethod
    def checked(cls, uri: DatabaseUri, name: str) -> DatabaseUri:
        path = urlsplit(uri.uri).path
        if not path.startswith("//"):
            raise BadInput(f"{name} must hold an absolute path: sqlite:////absolute/path/mlflow.db (four slashes).")
        if uri.driver not in (None, "pysqlite"):
            raise BadInput(f"{name} names the driver {uri.driver}, which is not offered. Write sqlite:///{path}.")
        if unknown := sorted({option for option, _value in uri.query} - _OPTIONS):
            raise BadInput(
                f"{name} has the option {unknown[0][:60]}, with which servers and operations would not use one file. "
                f"Known are {', '.join(sorted(_OPTIONS))}; a ? in a path ends it."
            )
        file = unquote(path[1:])
        if file.endswith("/") or "\0" in file:
            raise BadInput(f"{name} names a folder, or no file that can be: {file!r}.")
        return dataclasses.replace(uri, database=None, path=file)

    @property
    def path(self) -> str:
        return str(self.uri.path)

    def folders(self) -> list[str]:
        return [os.path.dirname(self.path)]

    def contents(self, version_table: str) -> Contents:
        if not os.path.exists(self.path):
            return Contents([], [])
        try:
            connection = sqlite3.connect(_for_reading(self.path), uri=True, timeout=_CONNECT_SECONDS)
            with contextlib.closing(connection):
                tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                found = []
                if version_table in tables:
                    found = [row[0] for row in connection.execute(f"SELECT version_num FROM {version_table}")]  # noqa: S608
                return Contents(tables, found)
        except sqlite3.Error as error:
            raise SchemaError(f"The SQLite database {self.path} cannot be read: {error}.") from error

    @contextlib.contextmanager
    def ask(self) -> Iterator[Ask]:
        with reading(self.path) as connection:
            yield lambda statement: connection.execute(statement).fetchall()

    @contextlib.contextmanager
    def bounded(self, seconds: float) -> Iterator[Ask]:
        with reading(self.path, seconds) as connection:
            # Asked again and again while a statement runs: what is not 0 ends it.
            end = time.monotonic() + seconds
            connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            yield lambda statement: connection.execute(statement).fetchall()

    def rows(self) -> dict[str, int]:
        return rows(self.path)

    def space(self) -> Space:
        if not os.path.exists(self.path) or not (size := os.path.getsize(self.path)):
            return Space(0, None)
        return Space(size, shutil.disk_usage(os.path.dirname(self.path)).free)

    def locked(self, words: str, *, shared: bool) -> AbstractContextManager[None]:
        return sqlite_lock.held(self.path, words, shared)

    def lock_holders(self) -> list[str]:
        return sqlite_lock.holders(self.path)

    def reserved(self) -> str | None:
        try:
            with self._reservation.open(encoding="utf-8", errors="replace") as file:
                return file.read(_LONGEST_NOTE)
        except (FileNotFoundError, SnapshotError):
            return None

    def reserve(self, text: str | None) -> None:
        if text is None:
            restore_note.remove(self._reservation)
        else:
            restore_note.write(self._reservation, text)

    @property
    def _reservation(self) -> Path:
        return restore_note.file_of(self.path, ending=restore_note.RESERVATION)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """SQLite's own locking serves, because one host uses one file."""
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        yield

    def prepare_migrations(self, engine: Any) -> None:
        from sqlalchemy import event

        # Python's driver begins a transaction with the first row that is written, so that tables change outside of it.
        @event.listens_for(engine, "connect")
        def leave_transactions_to_us(connection: Any, _record: Any) -> None:
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

    def being_changed(self) -> bool:
        return False

    def require_unused(self) -> None:
        """Nothing: a migration locks the file."""

    def require_settled(self) -> None:
        if shown := cut_off(self.path):
            raise SchemaError(
                f"A restore was interrupted while it put the database in place ({shown} is there). Run the restore "
                f"again: it first brings back what was there."
            )

    def require_role(self, role: str) -> None:
        """Nothing."""

    def grant(self, role: str) -> None:
        """Nothing."""

    def require_dumpable(self, version_table: str, what: str, tools: Tools) -> str | None:
        return revision(self._existing(what), version_table)

    def dump(self, to: Dumping[File], what: str, tools: Tools) -> Dump[File]:
        path = self._existing(what)
        to.require_room("copy", os.path.getsize(path))
        copied = to.folder / FILE
        copy(path, copied)
        file = to.store(to.folder, copied, lambda: True)
        return Dump(sqlite3.sqlite_version, revision(copied, to.version_table), rows(copied), [file])

    def _existing(self, what: str) -> str:
        if not os.path.exists(self.path):
            raise SnapshotError(f"The {what} database {self.path} does not exist.")
        return self.path

    def require_loadable(self, what: str, server_version: str, tools: Tools, *, used: bool) -> Live:
        if used and (users := _users_after_a_while(self.path)):
            raise SnapshotError(
                f"The database {self.path} is open in process {', '.join(map(str, users))}. Stop the server first: "
                f"what it writes while it is replaced would be lost."
            )
        return Live(self.rows() if os.path.exists(self.path) else None, [])

    def load(self, name: str, source: Loading, what: str, tools: Tools) -> Loaded:
        live, new = Path(self.path), Path(name)
        if not live.parent.is_dir():
            raise SnapshotError(f"The folder {live.parent} of the {what} database does not exist: deploy first.")
        file, size = next(iter(source.files.items()))
        source.require_room(live.parent, size)
        source.write(file, new, durable=True)
        check(new)
        found = rows(new)
        source.same_owner(new, live if live.exists() else live.parent)
        return Loaded(found, {})

    @property
    def live(self) -> str:
        return self.path

    def alongside(self, act: str, stamp: str) -> str:
        return f"{self.path}.{act}-{stamp}"

    def named(self, name: str) -> SQLite:
        return type(self)(dataclasses.replace(self.uri, uri=f"{self.uri.dialect}:///{name}", path=name), self._password)

    def names(self, *, reading: bool = False) -> list[str]:
        folder = Path(self.path).parent
        return [str(folder / name) for name in os.listdir(folder)] if folder.is_dir() else []

    def has(self, name: str) -> bool:
        return os.path.lexists(name)

    def discard(self, name: str) -> None:
        path = Path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # whatever it is, it would be in the way
        else:
            path.unlink(missing_ok=True)

    def present(self) -> list[str]:
        return [ending for ending in self.endings if os.path.lexists(self.path + ending)]

    def server(self) -> None:
        return None


def copy(path: str, target: Path) -> None:
    """Copy a live database as it is at one moment. Writers wait meanwhile, about 0.4 s per 100 MiB."""
    try:
        with (
            contextlib.closing(sqlite3.connect(_for_reading(path), uri=True, timeout=_BUSY_SECONDS)) as source,
            contextlib.closing(sqlite3.connect(target)) as copied,
        ):
            # All pages in one step: one that is interrupted starts anew with each write, and might never end.
            source.backup(copied)
    except sqlite3.Error as error:
        raise SnapshotError(f"The SQLite database {path} cannot be copied: {error}.") from error


def rows(path: str | Path) -> dict[str, int]:
    """Rows per table."""
    with reading(path) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )
        ]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608


def revision(path: str | Path, version_table: str) -> str | None:
    with reading(path) as connection:
        try:
            found = connection.execute(f"SELECT version_num FROM {version_table}").fetchone()  # noqa: S608
        except sqlite3.OperationalError:
            return None
        return str(found[0]) if found else None


def check(path: str | Path) -> None:
    """Let SQLite itself look at its structure.

    :raises SnapshotError: it is broken.
    """
    with reading(path) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise SnapshotError(f"The SQLite database {path} is broken: {found}.")


def users_of(path: str) -> list[int]:
    """Processes that have the database open, as far as this user may see. Linux only; elsewhere empty."""
    wanted = {os.path.realpath(path) + suffix for suffix in SQLite.endings}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(os.readlink(link) in wanted for link in os.scandir(process / "fd")):
                found.append(int(process.name))
    return sorted(found)


def _users_after_a_while(path: str) -> list[int]:
    """Who still has it open, when those who only looked have gone."""
    end = time.monotonic() + _LOOKING_SECONDS
    while (found := users_of(path)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


@contextlib.contextmanager
def reading(path: str | Path, busy_seconds: float = _BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, closed at the end.

    :param busy_seconds: how long it waits for who writes.
    """
    try:
        with contextlib.closing(sqlite3.connect(_for_reading(path), uri=True, timeout=busy_seconds)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise SnapshotError(f"The SQLite database {path} cannot be read: {error}.") from error


def _for_reading(path: str | Path) -> str:
    """As SQLite's own URIs write a path, to which a %, ? or # means something."""
    return f"file:{quote(str(path))}?mode=ro"


def cut_off(path: str) -> str | None:
    """What shows that a restore of this database was cut off while it put it in place, if anything does."""
    with contextlib.suppress(SnapshotError):
        if os.path.lexists(note := restore_note.file_of(path)):
            return str(note)
    live = Path(path)
    if live.exists() or not live.parent.is_dir():
        return None
    moved = re.compile(rf"{re.escape(live.name)}\.(before|restoring)-\d{{17}}")
    return next((str(one) for one in sorted(live.parent.iterdir()) if moved.fullmatch(one.name)), None)
