# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL database. Its server exchanges whole databases, and PostgreSQL's own programs dump and load them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, TypeVar

from ..connection import DatabaseUri
from ..errors import DatabaseMissing, SchemaError, SnapshotError
from ..progress import Say
from . import postgresql_dumping, postgresql_loading, postgresql_lock, postgresql_reservation, postgresql_usage
from .base import Ask, Contents, Dump, Dumping, File, Live, Loaded, Loading, ServedDatabase, Space, Tools, Usage
from .postgresql_provision import PostgreSQLAdministrator
from .postgresql_server import Server, alongside, require_rights
from .postgresql_session import APPLICATION, identifiers, namespace, session
from .postgresql_tools import Programs
from .postgresql_uri import DRIVERS, PostgreSQLUri

# One number for every schema change of one database, so that two starters never migrate at once.
_ADVISORY_LOCK = 0x6D6C666C6F77


_Found = TypeVar("_Found")
# Servers that were stopped, or cut off by a network that is gone, are connected until PostgreSQL has missed them: with
# the settings of a PostgreSQL that is ours after half a minute.
_MISSED_SECONDS = 40.0


def _after_a_while(users: Callable[[], list[_Found]]) -> list[_Found]:
    """Who still uses a database, when those have been missed that use it no more."""
    end = time.monotonic() + _MISSED_SECONDS
    while (found := users()) and time.monotonic() < end:
        time.sleep(1.0)
    return found


class PostgreSQL(ServedDatabase):
    """A database of a PostgreSQL server. Tables are in the schema that C(namespace) tells."""

    kind: ClassVar[str] = "postgresql"
    schemes: ClassVar[tuple[str, ...]] = tuple(f"postgresql+{driver}" for driver in DRIVERS)
    limits_connections: ClassVar[bool] = True
    fast_store: ClassVar[bool] = True
    uri: PostgreSQLUri

    @classmethod
    def checked(cls, uri: DatabaseUri, name: str) -> DatabaseUri:
        return PostgreSQLUri.complete(uri, name)

    def folders(self) -> list[str]:
        return []

    def contents(self, version_table: str) -> Contents:
        with session(self.uri, self._password) as connection:
            self._require_visible(connection)
            tables = postgresql_dumping.tables(connection)
            found = [name for name in postgresql_dumping.revisions(connection, version_table) if name]
            cursor = connection.cursor()
            cursor.execute(
                "SELECT current_setting('max_connections')::int "
                "- current_setting('superuser_reserved_connections')::int, "
                "(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)"
            )
            available, role_limit = cursor.fetchone()
            return Contents(tables, found, min(available, role_limit) if role_limit > 0 else available)

    def _require_visible(self, connection: Any) -> None:
        """
        :raises SchemaError: MLflow under this role would not find its tables, and make them a second time.
        """
        where = namespace(connection)
        cursor = connection.cursor()
        cursor.execute("SELECT %s = ANY (current_schemas(false))", (where,))
        if not cursor.fetchone()[0]:
            raise SchemaError(
                f"MLflow's tables are in the schema {where} of the database {self.uri.database}, which the user "
                f"{self.uri.user} does not find. Let the owner of the database lead it there, and to use it: "
                f'ALTER ROLE "{self.uri.user}" IN DATABASE "{self.uri.database}" SET search_path = "{where}"; '
                f'GRANT USAGE ON SCHEMA "{where}" TO "{self.uri.user}";'
            )

    @contextmanager
    def ask(self) -> Iterator[Ask]:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()

            def ask(statement: str) -> list[tuple[Any, ...]]:
                cursor.execute(statement)
                return list(cursor.fetchall())

            yield ask

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[Ask]:
        with self.ask() as ask:
            postgresql_usage.limit(ask, seconds)
            yield ask

    def estimates(self, ask: Ask) -> dict[str, int]:
        return postgresql_usage.estimates(ask)

    def sample(self, table: str, percent: float) -> str:
        return f"{table} TABLESAMPLE SYSTEM ({percent:.6f})"

    def usage(self, ask: Ask) -> Usage:
        return postgresql_usage.usage(ask)

    def rows(self) -> dict[str, int]:
        with session(self.uri, self._password) as connection:
            return postgresql_dumping.rows(connection)

    def space(self) -> Space:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT pg_database_size(current_database())")
            return Space(int(cursor.fetchone()[0]), None)

    def locked(self, words: str, *, shared: bool) -> AbstractContextManager[None]:
        return postgresql_lock.held(self.uri, self._password, words, shared)

    def lock_holders(self) -> list[str]:
        return postgresql_lock.holders(self.uri, self._password)

    def reserved(self) -> str | None:
        return postgresql_reservation.read(self.uri, self._password, self._aside)

    def reserve(self, text: str | None) -> None:
        postgresql_reservation.write(self.uri, self._password, text, self._aside)

    def _aside(self, name: str) -> bool:
        return self.stamp_of(name, "before") is not None

    @contextmanager
    def changing(self) -> Iterator[None]:
        with session(self.uri, self._password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
            connection.commit()
            yield  # closing the connection frees the lock, whatever happened

    def prepare_migrations(self, engine: Any) -> None:
        """Nothing: its transactions hold changes of tables, too."""

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
            # Each look sees the present: statistics stay as they are within a transaction.
            connection.autocommit = True
            cursor = connection.cursor()

            def used_by() -> list[tuple[str, int]]:
                # Our own are this one and that which holds the lock; probes look for a moment.
                cursor.execute(
                    "SELECT usename, count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND backend_type = 'client backend' AND application_name NOT LIKE %s "
                    "GROUP BY usename ORDER BY usename",
                    (f"{APPLICATION}%",),
                )
                return list(cursor.fetchall())

            if users := _after_a_while(used_by):
                raise SchemaError(
                    f"The database {self.uri.database} is in use by {', '.join(f'{who} ({n})' for who, n in users)}, "
                    f"so it was not migrated. Stop the servers first: what they write meanwhile would be lost or "
                    f"refused."
                )

    def more_indexes(self) -> list[str]:
        from . import postgresql_tuning  # of use to nobody else

        return postgresql_tuning.built(self.uri, self._password)

    def tune(self, wanted: Sequence[str] | None, *, dry_run: bool, say: Say) -> dict[str, Any]:
        from . import postgresql_tuning

        return postgresql_tuning.tune(self.uri, self._password, wanted, dry_run=dry_run, say=say)

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
            where = namespace(connection)
            given = {
                "role": names.Identifier(role),
                "owner": names.Identifier(self.uri.user),
                "schema": names.Identifier(where),
                "database": names.Identifier(self.uri.database),
            }
            statements = ["REVOKE CREATE ON SCHEMA public FROM PUBLIC"] if where == "public" else []
            statements += [
                "GRANT USAGE ON SCHEMA {schema} TO {role}",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
                "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
                "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} "
                "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
                "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} "
                "GRANT USAGE, SELECT ON SEQUENCES TO {role}",
            ]
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database WHERE datname = current_database()"
            )
            if where not in ("public", role) and cursor.fetchone()[0]:
                # The role would look into a schema of its own name, and into public.
                statements.append('ALTER DATABASE {database} SET search_path = {schema}, "$user", public')
            for statement in statements:
                cursor.execute(names.SQL(statement).format(**given))
            connection.commit()

    def require_dumpable(self, version_table: str, what: str, tools: Tools) -> str | None:
        programs = Programs.find(tools.pg_bindir)
        with postgresql_dumping.held(self.uri, self._password) as moment:
            programs.require_fit(moment.server_major)
            return moment.revision(version_table)

    def dump(self, to: Dumping[File], what: str, tools: Tools) -> Dump[File]:
        programs = Programs.find(tools.pg_bindir)
        return postgresql_dumping.dump(self.uri, self._password, to, programs, tools.jobs)

    def require_loadable(self, what: str, server_version: str, tools: Tools, *, used: bool) -> Live:
        programs = Programs.find(tools.pg_bindir)
        server = self.server()
        major = server.major()
        programs.require_fit(major)
        notes = []
        dumped = re.match("[0-9]+", server_version)  # such as 18beta1, 17.2 (Debian 17.2-1)
        if dumped and int(dumped[0]) > major:
            notes.append(f"the {what} database was dumped from PostgreSQL {server_version}, and is loaded into {major}")
        require_rights(server)
        if not server.exists(self.live):
            return Live(None, notes)
        if used and (names := _after_a_while(lambda: server.connections(self.live))):
            raise SnapshotError(
                f"{len(names)} connections to the database {self.live} are open: {', '.join(sorted(set(names)))}. Stop "
                f"the servers first: what they write while the database is replaced would be lost."
            )
        return Live(self.rows(), notes)

    def load(self, name: str, source: Loading, what: str, tools: Tools) -> Loaded:
        programs = Programs.find(tools.pg_bindir)
        loaded = self.named(name)
        with source.scratch() as scratch:
            source.require_room(scratch, sum(source.files.values()))
            folder = scratch / "dump"
            folder.mkdir(mode=0o700)
            for file in source.files:
                source.write(file, folder / file, durable=False)
            self.server().create(name)
            began = time.monotonic()
            postgresql_loading.load(programs, folder, loaded.uri, self._password, tools.jobs)
            seconds = round(time.monotonic() - began, 3)
            if source.used:
                loaded.analyze()
        return Loaded(loaded.rows(), {"pg_restore": seconds})

    @property
    def live(self) -> str:
        return str(self.uri.database)

    def alongside(self, act: str, stamp: str) -> str:
        return alongside(self.live, f"{act}_{stamp}")

    def named(self, name: str) -> PostgreSQL:
        return PostgreSQL(self.uri.replace(database=name), self._password)

    def names(self, *, reading: bool = False) -> list[str]:
        return (Server(self.uri, self._password, self.live) if reading else self.server()).names()

    def server(self) -> Server:
        return Server(self.uri, self._password)

    def administrator(self) -> PostgreSQLAdministrator:
        return PostgreSQLAdministrator(self.uri, self._password)

    def analyze(self) -> None:
        """Let the planner know what a fresh database holds, so that its first hour is as quick as the next."""
        names = identifiers(self.uri)
        with session(self.uri, self._password) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            where = namespace(connection)
            for name in postgresql_dumping.tables(connection):
                cursor.execute(names.SQL("ANALYZE {}").format(names.Identifier(where, name)))
