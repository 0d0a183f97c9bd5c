# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A SQLite database: a file on the host of the server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ..errors import SchemaError, SnapshotError
from .base import Ask, Contents, Database, Space

FILE = "database.sqlite"
_BUSY_SECONDS = 60
_CONNECT_SECONDS = 10


class SQLite(Database):
    """A file that SQLite makes itself. There are no roles, and whoever may read the file may do everything."""

    kind: ClassVar[str] = "sqlite"
    limits_connections: ClassVar[bool] = False

    @property
    def path(self) -> str:
        return str(self.uri.path)

    def contents(self, version_table: str) -> Contents:
        if not os.path.exists(self.path):
            return Contents([], [])
        try:
            connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=_CONNECT_SECONDS)
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

    def rows(self) -> dict[str, int]:
        return rows(self.path)

    def space(self) -> Space:
        if not os.path.exists(self.path) or not (size := os.path.getsize(self.path)):
            return Space(0, None)
        return Space(size, shutil.disk_usage(os.path.dirname(self.path)).free)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """SQLite's own locking serves, because one host uses one file."""
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        yield

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


def copy(path: str, target: Path) -> None:
    """Copy a live database as it is at one moment. Writers wait meanwhile, about 0.4 s per 100 MiB."""
    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as source,
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
    wanted = {os.path.realpath(path) + suffix for suffix in ("", "-wal", "-shm", "-journal")}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(os.readlink(link) in wanted for link in os.scandir(process / "fd")):
                found.append(int(process.name))
    return sorted(found)


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, closed at the end."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise SnapshotError(f"The SQLite database {path} cannot be read: {error}.") from error


def restore_note(target: str, place: str | None = None) -> Path:
    """Where a restore of this database (or folder) notes what it moves: one file per target."""
    if place is None and os.geteuid() == 0:
        place = "/var/lib/mlops.mlflow/restore"
    elif place is None:
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        place = f"{state}/mlops.mlflow/restore"
    if not os.path.isabs(place):
        raise SnapshotError(f"The folder of the journal, {place}, must be an absolute path: give journal_dir.")
    named = hashlib.sha256(os.fsencode(os.path.realpath(target))).hexdigest()
    return Path(os.path.realpath(place)) / f"{named[:32]}.json"


def cut_off(path: str) -> str | None:
    """What shows that a restore of this database was cut off while it put it in place, if anything does."""
    with contextlib.suppress(SnapshotError):
        if os.path.lexists(note := restore_note(path)):
            return str(note)
    live = Path(path)
    if live.exists() or not live.parent.is_dir():
        return None
    moved = re.compile(rf"{re.escape(live.name)}\.(before|restoring)-\d{{17}}")
    return next((str(one) for one in sorted(live.parent.iterdir()) if moved.fullmatch(one.name)), None)
