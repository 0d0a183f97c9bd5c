# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumping a PostgreSQL while servers write: one moment is held, pg_dump writes it, and big files are stored while they
grow."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .base import Dump, Dumping, File
from .postgresql_session import namespace, session
from .postgresql_tools import Programs, ended
from .postgresql_uri import PostgreSQLUri

# A file of a dump that is bigger than this is read while pg_dump is still writing it.
_FOLLOW = 4 << 20


@dataclass(frozen=True)
class Held:
    """A moment of a database that stays visible: what it holds, and the name under which others see it too."""

    snapshot: str
    server_version: str
    server_major: int
    size: int
    connection: Any

    def revision(self, version_table: str) -> str | None:
        return (revisions(self.connection, version_table) or [None])[0]

    def rows(self) -> dict[str, int]:
        return rows(self.connection)


@contextmanager
def held(database: PostgreSQLUri, password: str | None) -> Iterator[Held]:
    """Hold a moment of a database, for pg_dump and for counting the same rows that it dumps."""
    with session(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(
            "SELECT pg_export_snapshot(), current_setting('server_version'), "
            "current_setting('server_version_num')::int / 10000, pg_database_size(current_database())"
        )
        snapshot, version, major, size = cursor.fetchone()
        yield Held(snapshot, version, major, size, connection)


def tables(connection: Any) -> list[str]:
    """What lies in the schema of MLflow's tables."""
    cursor = connection.cursor()
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename", (namespace(connection),))
    return [name for (name,) in cursor.fetchall()]


def revisions(connection: Any, version_table: str) -> list[str | None]:
    """What a version table says; nothing where it is not there."""
    if version_table not in tables(connection):
        return []
    cursor = connection.cursor()
    cursor.execute(f"SELECT version_num FROM {_qualified(connection, version_table)}")  # noqa: S608
    return [str(name) for (name,) in cursor.fetchall()]


def rows(connection: Any) -> dict[str, int]:
    """Rows per table, as a session sees them."""
    found = {}
    cursor = connection.cursor()
    for name in tables(connection):
        cursor.execute(f"SELECT count(*) FROM {_qualified(connection, name)}")  # noqa: S608
        found[name] = cursor.fetchone()[0]
    return found


def _qualified(connection: Any, table: str) -> str:
    """A table with its schema, quoted."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in (namespace(connection), table))


def dump(database: PostgreSQLUri, password: str | None, to: Dumping[File], programs: Programs, jobs: int) -> Dump[File]:
    """
    :raises EngineError: PostgreSQL or pg_dump refused something.
    """
    with held(database, password) as moment, ThreadPoolExecutor(1) as counter:
        programs.require_fit(moment.server_major)
        to.require_room("dump", moment.size)
        revision = moment.revision(to.version_table)
        counting = counter.submit(moment.rows)
        target = to.folder / "dump"
        process = programs.start(
            "pg_dump",
            "--format=directory",
            "--compress=0",
            "--no-sync",
            f"--jobs={jobs}",
            f"--snapshot={moment.snapshot}",
            "--lock-wait-timeout=60s",
            f"--file={target}",
            f"--dbname={database.libpq}",
            password=password,
            own_group=to.throttled is not None,
        )
        with to.throttled(process) if to.throttled else nullcontext():
            files = _follow(process, target, to)
        return Dump(moment.server_version, revision, counting.result(), files)


def _follow(process: subprocess.Popen[bytes], folder: Path, to: Dumping[File]) -> list[File]:
    """Store the files of a dump, the big ones while they grow."""
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read() if process.stderr else b""))
    reader.start()
    followed: dict[Path, Future[File]] = {}
    with ThreadPoolExecutor(64, thread_name_prefix="follow") as threads:
        try:
            while process.poll() is None:
                for path in _bigger(folder, _FOLLOW):
                    if path not in followed:
                        followed[path] = threads.submit(to.store, folder, path, lambda: process.poll() is not None)
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            reader.join()
            if process.stdout:
                process.stdout.close()
        ended("pg_dump", process, b"".join(said))
        for path in sorted(_bigger(folder, -1)):
            if path not in followed:
                followed[path] = threads.submit(to.store, folder, path, lambda: True)
        return [future.result() for future in followed.values()]


def _bigger(folder: Path, size: int) -> list[Path]:
    found = []
    for path in folder.rglob("*.dat" if size >= 0 else "*"):
        try:
            if path.is_file() and path.stat().st_size > size:
                found.append(path)
        except FileNotFoundError:
            continue
    return found
