# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock of a deployment in PostgreSQL, which goes with the connection that took it.

It is held in the database C(postgres), because a restore renames the deployment's own.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

from ..errors import DatabaseMissing, DatabaseUnavailable, LockHeld
from .postgresql_session import APPLICATION, session
from .postgresql_uri import PostgreSQLUri

# The first half of every advisory lock of ours; the second is the database's.
_CLASS = 0x6D6C6F70
_MAINTENANCE = "postgres"
# What PostgreSQL keeps of the name of a program.
_NAME_LIMIT = 63


@contextlib.contextmanager
def held(database: PostgreSQLUri, password: str | None, words: str, shared: bool) -> Iterator[None]:
    """
    :param words: of who holds it, for who is refused meanwhile.
    :raises LockHeld: another has it.
    """
    with entered(database, password) as connection:
        _take(connection, database, words, shared)
        yield  # closing the connection frees it, whatever happened


@contextlib.contextmanager
def entered(database: PostgreSQLUri, password: str | None) -> Iterator[Any]:
    """A session where nobody exchanges databases."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(session(database.replace(database=_MAINTENANCE), password))
        except (DatabaseMissing, DatabaseUnavailable):
            # Who may not enter there cannot restore either. A restore refuses while there are connections to this one.
            found = stack.enter_context(session(database, password))
        yield found


def holders(database: PostgreSQLUri, password: str | None) -> list[str]:
    """The words of those who hold it now."""
    with entered(database, password) as connection:
        return [name or "another operation" for _pid, name in _holders(connection.cursor(), _key(database))]


def _key(database: PostgreSQLUri) -> int:
    # Signed, as PostgreSQL's integers are.
    return zlib.crc32(str(database.database).encode()) - (1 << 31)


def _holders(cursor: Any, key: int) -> list[tuple[int, str]]:
    cursor.execute(
        "SELECT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' "
        "AND objsubid = 2 AND granted AND classid::bigint = %s AND objid::bigint = %s AND "
        "pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY pid",
        (_CLASS, key & 0xFFFFFFFF),
    )
    return [(pid, str(name or "").removeprefix(f"{APPLICATION} ")) for pid, name in cursor.fetchall()]


def _take(connection: Any, database: PostgreSQLUri, words: str, shared: bool) -> None:
    connection.autocommit = True
    cursor = connection.cursor()
    name = f"{APPLICATION} {words}".encode("ascii", "replace").decode()[:_NAME_LIMIT]
    # A host that is gone is noticed within a minute; and nobody is sent away for being quiet.
    settings = {"application_name": name, "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10"}
    for setting, value in (settings | {"tcp_keepalives_count": "3"}).items():
        cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
    cursor.execute(
        "SELECT set_config('idle_session_timeout', '0', false) "
        "WHERE current_setting('server_version_num')::int >= 140000"
    )
    key = _key(database)
    cursor.execute(f"SELECT pg_try_advisory_lock{'_shared' if shared else ''}(%s, %s)", (_CLASS, key))
    if cursor.fetchone()[0]:
        return
    found = _holders(cursor, key)
    who = "; ".join(f"{name or 'another operation'} (session {pid})" for pid, name in found)
    end = " ".join(f"SELECT pg_terminate_backend({pid});" for pid, _name in found)
    raise LockHeld(
        f"Another operation works on the database {database.database}: {who or 'it has just ended'}. Nothing was "
        f"changed. Try again when it has ended. Where its process is gone, PostgreSQL at "
        f"{database.host}:{database.port} releases the lock within a minute; at once: {end or 'it did already.'}"
    )
