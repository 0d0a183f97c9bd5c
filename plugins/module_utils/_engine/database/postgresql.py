# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL database through its own tools: dumped while servers write, loaded beside the live one, exchanged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..connection import DatabaseUri
from ..errors import BadInput, SnapshotError
from . import schema

_NAME_LIMIT = 63


@dataclass(frozen=True)
class Tools:
    """pg_dump and pg_restore of one version. C(password) reaches them by their environment only."""

    folder: str | None
    version: int

    @classmethod
    def find(cls, pg_bindir: str | None) -> Tools:
        """
        :raises SnapshotError: they are not there.
        """
        program = shutil.which("pg_dump", path=pg_bindir or None)
        if not program or not shutil.which("pg_restore", path=pg_bindir or None):
            raise SnapshotError(
                f"pg_dump and pg_restore are not in {pg_bindir or 'PATH'}. Install PostgreSQL's client tools (Debian: "
                f"postgresql-client, Red Hat: postgresql), or say where they are in pg_bindir."
            )
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        match = re.search(r"(\d+)", said)
        if not match:
            raise SnapshotError(f"{program} does not say its version: {said[:200]}")
        return cls(pg_bindir, int(match[1]))

    def fit(self, server: int) -> None:
        """Refuse tools that are older than the server: they do not know what it can hold."""
        if self.version < server:
            raise SnapshotError(
                f"The PostgreSQL server is version {server}, and pg_dump in {self.folder or 'PATH'} is only version "
                f"{self.version}. Install postgresql-client-{server} (from apt.postgresql.org or yum.postgresql.org), "
                f"and say where it is in pg_bindir."
            )

    def start(
        self, program: str, *arguments: str, password: str | None, own_group: bool = False
    ) -> subprocess.Popen[bytes]:
        """
        :param own_group: lead a process group, which can be held and continued as a whole. Should we die meanwhile, the
            kernel continues and ends it.
        """
        path = shutil.which(program, path=self.folder or None)
        if path is None:
            raise AssertionError(f"{program} was found before")
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGAPPNAME": "mlops.mlflow snapshot"}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PGSSL")}
        if password:
            environment["PGPASSWORD"] = password
        return subprocess.Popen(
            [path, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0 if own_group else None,
        )

    def run(self, program: str, *arguments: str, password: str | None = None) -> bytes:
        process = self.start(program, *arguments, password=password)
        output, said = process.communicate()
        ended(program, process, said)
        return output


def ended(program: str, process: subprocess.Popen[bytes], said: bytes) -> None:
    """
    :raises SnapshotError: the program failed; its own words are in the message.
    """
    if process.returncode:
        text = " ".join(said.decode(errors="replace").split())
        raise SnapshotError(f"{program} failed ({process.returncode}): {text[:600] or 'it said nothing'}")


def libpq(database: DatabaseUri) -> str:
    """The URI as PostgreSQL's own tools want it."""
    return database.libpq


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
    with schema.session(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(
            "SELECT pg_export_snapshot(), current_setting('server_version'), "
            "current_setting('server_version_num')::int / 10000, pg_database_size(current_database())"
        )
        snapshot, version, major, size = cursor.fetchone()
        yield Held(snapshot, version, major, size, connection)


def rows(database: DatabaseUri, password: str | None) -> dict[str, int]:
    """Rows per table, now."""
    with schema.session(database, password) as connection:
        return _rows(connection)


def size(database: DatabaseUri, password: str | None) -> int:
    """Bytes that a database takes, with its indexes."""
    with schema.session(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _rows(connection: Any) -> dict[str, int]:
    cursor = connection.cursor()
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    found = {}
    for (name,) in cursor.fetchall():
        quoted = name.replace('"', '""')
        cursor.execute(f'SELECT count(*) FROM public."{quoted}"')  # noqa: S608
        found[name] = cursor.fetchone()[0]
    return found


class Server:
    """The server of a database, entered by the database C(postgres), so that others can be made and renamed."""

    def __init__(self, database: DatabaseUri, password: str | None, maintenance: str = "postgres") -> None:
        self.database = database
        self.password = password
        self._maintenance = database.replace(database=maintenance)

    def major(self) -> int:
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
            return int(cursor.fetchone()[0])

    def may_create(self) -> bool:
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            return bool(cursor.fetchone()[0])

    def exists(self, name: str | None) -> bool:
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def names(self) -> list[str]:
        """All databases of the server."""
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT datname FROM pg_database")
            return [row[0] for row in cursor.fetchall()]

    def comments(self) -> dict[str, str]:
        """The comments of databases."""
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database "
                "WHERE shobj_description(oid, 'pg_database') IS NOT NULL"
            )
            return dict(cursor.fetchall())

    def comment(self, name: str, text: str | None) -> None:
        """Comment a database. The comment stays with it when it is renamed, and goes with it when it is removed."""
        names = schema.identifiers(self.database)
        with schema.session(self._maintenance, self.password) as connection:
            connection.autocommit = True
            statement = names.SQL("COMMENT ON DATABASE {} IS {}")
            try:
                connection.cursor().execute(statement.format(names.Identifier(name), names.Literal(text)))
            except Exception as error:
                said = " ".join(str(error).split())
                raise SnapshotError(f"The database {name} cannot be commented: {said[:300]}") from error

    def owned(self, name: str | None) -> bool:
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database WHERE datname = %s", (name,)
            )
            found = cursor.fetchone()
            return bool(found and found[0])

    def connections(self, name: str | None) -> list[str]:
        """Who is connected to a database: user and program of each."""
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT usename || coalesce(' (' || nullif(application_name, '') || ')', '') FROM pg_stat_activity "
                # Not by backend_type, which a role may not see of others; the server's own workers have no user.
                "WHERE datname = %s AND pid <> pg_backend_pid() AND usesysid IS NOT NULL",
                (name,),
            )
            return [row[0] or "another role" for row in cursor.fetchall()]

    def create(self, name: str) -> None:
        """An empty database with the live one's encoding and collation, where there is a live one."""
        names = schema.identifiers(self.database)
        with schema.session(self._maintenance, self.password) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = %s",
                (self.database.database,),
            )
            like = cursor.fetchone()
            statement = names.SQL("CREATE DATABASE {} TEMPLATE template0").format(names.Identifier(name))
            if like:
                statement += names.SQL(" ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(*map(names.Literal, like))
            cursor.execute(statement)

    def drop(self, name: str) -> None:
        names = schema.identifiers(self.database)
        with schema.session(self._maintenance, self.password) as connection:
            connection.autocommit = True
            connection.cursor().execute(names.SQL("DROP DATABASE IF EXISTS {}").format(names.Identifier(name)))

    def rename(self, pairs: list[tuple[str, str]]) -> None:
        """Rename databases, all or none of them."""
        names = schema.identifiers(self.database)
        with schema.session(self._maintenance, self.password) as connection:
            cursor = connection.cursor()
            try:
                for old, new in pairs:
                    statement = names.SQL("ALTER DATABASE {} RENAME TO {}")
                    cursor.execute(statement.format(names.Identifier(old), names.Identifier(new)))
                connection.commit()
            except Exception as error:
                text = " ".join(str(error).split())
                raise SnapshotError(f"The databases could not be exchanged, and are as before: {text[:300]}") from error


def beside(database: DatabaseUri, suffix: str) -> str:
    """A name for another database beside this one."""
    return f"{str(database.database)[: _NAME_LIMIT - len(suffix) - 1]}_{suffix}"


def analyze(database: DatabaseUri, password: str | None) -> None:
    """Let the planner know what a fresh database holds, so that its first hour is as quick as the next."""
    names = schema.identifiers(database)
    with schema.session(database, password) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in cursor.fetchall():
            cursor.execute(names.SQL("ANALYZE {}").format(names.Identifier("public", name)))


def require_rights(server: Server) -> None:
    """
    :raises BadInput: the role may not make or exchange databases.
    """
    user, name = server.database.user, server.database.database
    if not server.may_create():
        raise BadInput(
            f"The role {user} may not create databases, which a restore needs to prove the data before it replaces "
            f'any. Let an administrator allow it: ALTER ROLE "{user}" CREATEDB;'
        )
    if server.exists(name) and not server.owned(name):
        raise BadInput(
            f"The role {user} does not own the database {name}, so it may not replace it. Give the owner's role and "
            f"password (mlflow_database_owner, mlflow_database_owner_password_file)."
        )
