# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL database: its schema, its rows, and moments of it that stay visible for a dump."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from ..connection import DatabaseUri
from ..errors import DatabaseMissing, SchemaError
from .base import Ask, Contents, Database, Space
from .postgresql_session import APPLICATION, identifiers, session

# One number for every schema change of one database, so that two starters never migrate at once.
_ADVISORY_LOCK = 0x6D6C666C6F77


class PostgreSQL(Database):
    """A database of a PostgreSQL server. Tables are in the schema C(public)."""

    kind: ClassVar[str] = "postgresql"
    limits_connections: ClassVar[bool] = True

    def contents(self, version_table: str) -> Contents:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            tables = [row[0] for row in cursor.fetchall()]
            found = []
            if version_table in tables:
                cursor.execute(f"SELECT version_num FROM {version_table}")  # noqa: S608
                found = [row[0] for row in cursor.fetchall()]
            cursor.execute(
                "SELECT current_setting('max_connections')::int "
                "- current_setting('superuser_reserved_connections')::int, "
                "(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)"
            )
            available, role_limit = cursor.fetchone()
            return Contents(tables, found, min(available, role_limit) if role_limit > 0 else available)

    @contextmanager
    def ask(self) -> Iterator[Ask]:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()

            def ask(statement: str) -> list[tuple[Any, ...]]:
                cursor.execute(statement)
                return list(cursor.fetchall())

            yield ask

    def rows(self) -> dict[str, int]:
        with session(self.uri, self._password) as connection:
            return _rows(connection)

    def space(self) -> Space:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT pg_database_size(current_database())")
            return Space(int(cursor.fetchone()[0]), None)

    @contextmanager
    def changing(self) -> Iterator[None]:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
            connection.commit()
            yield  # closing the connection frees the lock, whatever happened

    def being_changed(self) -> bool:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND "
                "database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
                "classid::bigint = %s AND objid::bigint = %s",
                (_ADVISORY_LOCK >> 32, _ADVISORY_LOCK & 0xFFFFFFFF),
            )
            return bool(cursor.fetchone()[0])

    def require_unused(self) -> None:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            # Our own are this one and that which holds the lock; probes look for a moment.
            cursor.execute(
                "SELECT usename, count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND application_name <> %s GROUP BY usename ORDER BY usename",
                (APPLICATION,),
            )
            if users := cursor.fetchall():
                raise SchemaError(
                    f"The database {self.uri.database} is in use by {', '.join(f'{who} ({n})' for who, n in users)}, "
                    f"so it was not migrated. Stop the servers first: what they write meanwhile would be lost or "
                    f"refused."
                )

    def require_settled(self) -> None:
        """A restore exchanges databases in one transaction, so that there is always a whole one."""

    def require_role(self, role: str) -> None:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", (role,))
            if not cursor.fetchone()[0]:
                raise DatabaseMissing(
                    f"PostgreSQL at {self.uri.host}:{self.uri.port} has no role {role}, which the servers use. "
                    f'Create it: CREATE ROLE "{role}" LOGIN;'
                )

    def grant(self, role: str) -> None:
        with session(self.uri, self._password) as connection:
            names = identifiers(self.uri)
            grantee, owner = names.Identifier(role), names.Identifier(self.uri.user)
            for statement in (
                "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
                "GRANT USAGE ON SCHEMA public TO {role}",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
                "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
                "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public "
                "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
                "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
            ):
                cursor = connection.cursor()
                cursor.execute(names.SQL(statement).format(role=grantee, owner=owner))
            connection.commit()

    def analyze(self) -> None:
        """Let the planner know what a fresh database holds, so that its first hour is as quick as the next."""
        names = identifiers(self.uri)
        with session(self.uri, self._password) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (name,) in cursor.fetchall():
                cursor.execute(names.SQL("ANALYZE {}").format(names.Identifier("public", name)))


@dataclass(frozen=True)
class Held:
    """A moment of a database that stays visible: what it holds, and the name under which others see it too."""

    snapshot: str
    server_version: str
    server_major: int
    size: int
    connection: Any

    def revision(self, version_table: str) -> str | None:
        cursor = self.connection.cursor()
        cursor.execute("SELECT to_regclass(%s)", (version_table,))
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute(f"SELECT version_num FROM {version_table}")  # noqa: S608
        found = cursor.fetchone()
        return str(found[0]) if found else None

    def rows(self) -> dict[str, int]:
        return _rows(self.connection)


@contextmanager
def held(database: DatabaseUri, password: str | None) -> Iterator[Held]:
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


def _rows(connection: Any) -> dict[str, int]:
    cursor = connection.cursor()
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    found = {}
    for (name,) in cursor.fetchall():
        quoted = name.replace('"', '""')
        cursor.execute(f'SELECT count(*) FROM public."{quoted}"')  # noqa: S608
        found[name] = cursor.fetchone()[0]
    return found
