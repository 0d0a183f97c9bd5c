# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One lock per deployment, for what changes its data: a restore, a removal or a migration alone, backups together.

Whoever works holds it, and the system itself releases it when that process dies: PostgreSQL with the connection, the
kernel with the file. There is no lease that could end too early or stay behind. PostgreSQL's is held in the database
C(postgres), because a restore renames the deployment's own; SQLite's is a file beside the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..connection import DatabaseUri
from ..errors import DatabaseMissing, DatabaseUnavailable, LockHeld
from . import schema

# The first half of every advisory lock of ours; the second is the database's.
_CLASS = 0x6D6C6F70
_MAINTENANCE = "postgres"
# What PostgreSQL keeps of the name of a program.
_NAME_LIMIT = 63


def path_of(database: str) -> str:
    """The file that is locked for a SQLite database."""
    return f"{database}.in-use"


@contextlib.contextmanager
def held(uri: str, password: str | None, operation: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a deployment.

    :param uri: of its backend store.
    :param operation: for who is refused meanwhile.
    :param shared: whether others may hold it too that say the same.
    :raises LockHeld: another operation has it; who, since when and where is in the message.
    """
    database = DatabaseUri.parse(uri)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    words = f"{operation} since {now} on {socket.gethostname()}"
    if database.path is not None:
        with _file(database.path, words, shared):
            yield
        return
    with _connection(database, password) as connection:
        _take(connection, database, words, shared)
        yield  # closing the connection frees it, whatever happened


@contextlib.contextmanager
def _connection(database: DatabaseUri, password: str | None) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(schema.session(database.replace(database=_MAINTENANCE), password))
        except (DatabaseMissing, DatabaseUnavailable):
            # Who may not enter there cannot restore either. A restore refuses while there are connections to this one.
            found = stack.enter_context(schema.session(database, password))
        yield found


def _take(connection: Any, database: DatabaseUri, words: str, shared: bool) -> None:
    connection.autocommit = True
    cursor = connection.cursor()
    name = f"{schema.APPLICATION} {words}".encode("ascii", "replace").decode()[:_NAME_LIMIT]
    # A host that is gone is noticed within a minute; and nobody is sent away for being quiet.
    settings = {"application_name": name, "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10"}
    for setting, value in (settings | {"tcp_keepalives_count": "3"}).items():
        cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
    cursor.execute(
        "SELECT set_config('idle_session_timeout', '0', false) "
        "WHERE current_setting('server_version_num')::int >= 140000"
    )
    # Signed, as PostgreSQL's integers are.
    key = zlib.crc32(str(database.database).encode()) - (1 << 31)
    cursor.execute(f"SELECT pg_try_advisory_lock{'_shared' if shared else ''}(%s, %s)", (_CLASS, key))
    if cursor.fetchone()[0]:
        return
    cursor.execute(
        "SELECT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' "
        "AND objsubid = 2 AND granted AND classid::bigint = %s AND objid::bigint = %s AND "
        "pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY pid",
        (_CLASS, key & 0xFFFFFFFF),
    )
    holders = [(pid, str(name or "").removeprefix(f"{schema.APPLICATION} ")) for pid, name in cursor.fetchall()]
    who = "; ".join(f"{name or 'another operation'} (session {pid})" for pid, name in holders)
    end = " ".join(f"SELECT pg_terminate_backend({pid});" for pid, _name in holders)
    raise LockHeld(
        f"Another operation works on the database {database.database}: {who or 'it has just ended'}. Nothing was "
        f"changed. Try again when it has ended. Where its process is gone, PostgreSQL at "
        f"{database.host}:{database.port} releases the lock within a minute; at once: {end or 'it did already.'}"
    )


@contextlib.contextmanager
def _file(database: str, words: str, shared: bool) -> Iterator[None]:
    path = Path(path_of(database))
    if not path.parent.is_dir():
        yield  # there is nothing yet that could be changed
        return
    descriptor = _locked(path, shared)
    try:
        if not shared:
            os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{words}, process {os.getpid()}\n".encode())
        yield
    finally:
        with contextlib.suppress(OSError):  # another holds it too, who removes it then
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path, shared: bool) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            lines = os.pread(descriptor, 4096, 0).decode(errors="replace").splitlines()
            os.close(descriptor)
            holders = [line for line in lines if _lives(line)]
            raise LockHeld(
                f"Another operation works on the database {path.with_suffix('')}: "
                f"{'; '.join(holders) or 'it has just ended'}. Nothing was changed. Try again when it has ended; "
                f"ending its process releases the lock."
            ) from None
        # Its last holder removes the file: the lock of one that is gone is none.
        try:
            if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _lives(line: str) -> bool:
    number = line.rpartition(" ")[2]
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True
