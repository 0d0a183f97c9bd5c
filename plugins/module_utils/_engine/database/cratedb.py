# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database of MLflow in CrateDB: the tables of one schema. C(mlflow-cratedb) lets MLflow work with it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar
from urllib.parse import quote

from ..connection import DatabaseUri
from ..errors import DatabaseMissing, LockHeld, SchemaError, SnapshotError
from . import cratedb_lock, cratedb_repository, cratedb_snapshots, revisions
from .base import Adapter, Ask, Contents, Dump, Dumping, File, Live, Loaded, Loading, ServedDatabase, Space, Tools
from .cratedb_notes import RESERVATION, REVISION, Notes
from .cratedb_server import Server
from .cratedb_session import quoted, session
from .cratedb_tables import Tables
from .cratedb_uri import CrateDBUri

_DEPLOYMENT, _CHANGES = "deployment", "changes"
_PATIENCE_SECONDS = 180.0
# Servers that ended are connected until CrateDB has missed them.
_MISSED_SECONDS = 40.0


class CrateDB(ServedDatabase):
    """The tables of a schema, or of a database alongside it. MLflow alone makes them; nothing migrates them."""

    kind: ClassVar[str] = "crate"
    schemes: ClassVar[tuple[str, ...]] = ("crate",)
    limits_connections: ClassVar[bool] = False
    adapter: ClassVar[Adapter | None] = Adapter("CrateDB", "mlflow-cratedb", "mlops_mlflow_cratedb", (3, 12))
    uri: CrateDBUri

    def __init__(self, uri: DatabaseUri, password: str | None = None, name: str = "") -> None:
        super().__init__(uri, password)
        self._name = name or self.live

    @classmethod
    def checked(cls, uri: DatabaseUri, name: str) -> DatabaseUri:
        return CrateDBUri.complete(uri, name)

    def folders(self) -> list[str]:
        return []

    def contents(self, version_table: str) -> Contents:
        with session(self.uri, self._password) as statements:
            tables = Tables(statements, self.uri, self._name)
            tables.require_shards()
            names = tables.names()
            revision = Notes(statements, self.uri).read(REVISION + self._name) if names else None
            return Contents(names, [revision] if revision else [])

    @contextmanager
    def ask(self) -> Iterator[Ask]:
        with session(self.uri, self._password) as statements:
            yield statements.run

    def rows(self) -> dict[str, int]:
        with session(self.uri, self._password) as statements:
            return Tables(statements, self.uri, self._name).rows()

    def space(self) -> Space:
        with session(self.uri, self._password) as statements:
            [(size,)] = statements.run(
                "SELECT coalesce(sum(size), 0) FROM sys.shards WHERE schema_name = ?", self.uri.schema
            )
            [(free,)] = statements.run("SELECT min(fs['total']['available']) FROM sys.nodes")
            return Space(int(size), None if free is None else int(free))

    def locked(self, words: str, *, shared: bool) -> AbstractContextManager[None]:
        return cratedb_lock.held(self.uri, self._password, _DEPLOYMENT, words, shared=shared)

    def lock_holders(self) -> list[str]:
        with session(self.uri, self._password) as statements:
            return sorted(cratedb_lock.holders(statements, self.uri, _DEPLOYMENT).values())

    def reserved(self) -> str | None:
        with session(self.uri, self._password) as statements:
            return Notes(statements, self.uri).read(RESERVATION)

    def reserve(self, text: str | None) -> None:
        with session(self.uri, self._password) as statements:
            Notes(statements, self.uri).write(RESERVATION, text)

    @contextmanager
    def changing(self) -> Iterator[None]:
        end = time.monotonic() + _PATIENCE_SECONDS
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(cratedb_lock.held(self.uri, self._password, _CHANGES, "a change of the schema"))
                    break
                except LockHeld:
                    if time.monotonic() > end:
                        raise
                time.sleep(1.0)
            yield

    def for_mlflow(self) -> str:
        import mlflow_cratedb  # noqa: F401 - changes MLflow in this process

        user, password = self.uri.user or "", self._password or os.environ.get("PGPASSWORD", "")
        place = self.uri.uri.rpartition("@")[2]
        return f"crate://{quote(user, safe='')}:{quote(password, safe='')}@{place}"

    def create_tables(self, engine: Any) -> None:
        from mlflow_cratedb.adapter.setup_db import _setup_db_create_tables

        _setup_db_create_tables(engine)
        with session(self.uri, self._password) as statements:
            Tables(statements, self.uri, self._name).wait_for_shards()
            Notes(statements, self.uri).write(REVISION + self._name, revisions.expected())

    def prepare_migrations(self, engine: Any) -> None:
        """Nothing: there are none."""

    def being_changed(self) -> bool:
        with session(self.uri, self._password) as statements:
            return bool(cratedb_lock.holders(statements, self.uri, _CHANGES))

    def require_unused(self) -> None:
        raise SchemaError(
            f"Nothing migrates the schema {self.uri.schema} of CrateDB: mlflow-cratedb has no migrations. Nothing was "
            f"changed. Deploy the version of MLflow that made it, or a new one beside it."
        )

    def require_settled(self) -> None:
        """Once begun, an exchange is finished by whoever asks next."""

    def require_role(self, role: str) -> None:
        with session(self.uri, self._password) as statements:
            if not statements.run("SELECT name FROM sys.users WHERE name = ?", role):
                raise DatabaseMissing(
                    f"CrateDB at {self.uri.host}:{self.uri.port} has no user {role}, which the servers use. Create it: "
                    f"CREATE USER {quoted(role)} WITH (password = '...');"
                )

    def grant(self, role: str) -> None:
        user, schema = quoted(role), quoted(self.uri.schema)
        with session(self.uri, self._password) as statements:
            notes = Notes(statements, self.uri)
            notes.make()
            for statement in (
                f"GRANT DQL, DML ON SCHEMA {schema} TO {user}",
                f"GRANT DQL ON SCHEMA sys TO {user}",
                f"GRANT DQL ON TABLE {notes.table} TO {user}",
            ):
                statements.run(statement)

    def require_dumpable(self, version_table: str, what: str, tools: Tools) -> str | None:
        cratedb_repository.configured().require()
        return next(iter(self.contents(version_table).revisions), None)

    def dump(self, to: Dumping[File], what: str, tools: Tools) -> Dump[File]:
        with session(self.uri, self._password) as statements:
            return cratedb_snapshots.dump(statements, self.uri, to)

    def require_loadable(self, what: str, server_version: str, tools: Tools, *, used: bool) -> Live:
        cratedb_repository.configured().require()
        with session(self.uri, self._password) as statements:
            [(version,)] = statements.run("SELECT max(version['number']) FROM sys.nodes")
            if _numbers(version) < _numbers(server_version):
                raise SnapshotError(
                    f"The {what} database was dumped from CrateDB {server_version}, and {version}, an older one, "
                    f"cannot restore it."
                )
        if used and (users := self._users()):
            raise SnapshotError(
                f"The schema {self.uri.schema} of CrateDB is used by {', '.join(users)}. Stop the servers first: what "
                f"they write while it is replaced would be lost."
            )
        return Live(self.rows() if self.present() else None, [])

    def _users(self) -> list[str]:
        """Who else is connected, when those have been missed that are not any more."""
        end = time.monotonic() + _MISSED_SECONDS
        with session(self.uri, self._password) as statements:
            while True:
                found = statements.run(
                    "SELECT DISTINCT auth_user FROM sys.sessions WHERE auth_user <> ? AND auth_user <> 'crate'",
                    self.uri.user,
                )
                if not found or time.monotonic() > end:
                    return sorted(user for (user,) in found)
                time.sleep(1.0)

    def load(self, name: str, source: Loading, what: str, tools: Tools) -> Loaded:
        with session(self.uri, self._password) as statements:
            return cratedb_snapshots.load(statements, self.uri, name, source)

    @property
    def live(self) -> str:
        return self.uri.schema

    def alongside(self, act: str, stamp: str) -> str:
        return f"{act}_{stamp}"

    def named(self, name: str) -> CrateDB:
        return CrateDB(self.uri, self._password, name)

    def names(self, *, reading: bool = False) -> list[str]:
        return self.server().names()

    def server(self) -> Server:
        return Server(self.uri, self._password)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in version.split(".")[:2] if word.isdecimal())
