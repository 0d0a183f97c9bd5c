# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The database schema of MLflow: what it is, what the installed MLflow needs, and creating it once.

Reading needs a database driver, but imports no MLflow: the revision that MLflow expects is read from the names in
its migration scripts, in milliseconds. Creating runs MLflow's own migrations.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..connection import DatabaseUri
from ..errors import BadInput, DatabaseMissing, DatabaseUnavailable, EngineError, MissingLibrary, SchemaError
from . import sqlite

# One number for every schema change of one database, so that two starters never migrate at once.
_ADVISORY_LOCK = 0x6D6C666C6F77
_CONNECT_SECONDS = 10
# The name under which PostgreSQL knows us; what we do may follow it.
APPLICATION = "mlops.mlflow"

TRACKING = ("store/db_migrations/versions", "alembic_version")
AUTH = ("server/auth/db/migrations/versions", "alembic_version_auth")


@dataclass(frozen=True)
class Schema:
    """One database's schema beside what the installed MLflow needs.

    C(state) is C(empty), C(current), C(older), C(newer) or C(foreign) (tables, but no MLflow revision).
    """

    state: str
    revision: str | None
    expected: str
    max_connections: int | None = None


def expected_revision(kind: tuple[str, str] = TRACKING) -> str:
    """The schema revision that the MLflow of this interpreter needs."""
    return _heads(_revisions(kind))[0]


def read(uri: str, password: str | None = None, kind: tuple[str, str] = TRACKING) -> Schema:
    """Inspect a database, changing nothing.

    :raises SchemaError: it cannot be reached or read; host and port are named, never the password.
    """
    database = DatabaseUri.parse(uri)
    revisions = _revisions(kind)
    expected = _heads(revisions)[0]
    found: list[str]
    if database.path is not None:
        found, tables, limit = *_read_sqlite(database.path, kind[1]), None
    else:
        found, tables, limit = _read_postgresql(database, password, kind[1])
    if not found:
        others = [name for name in tables if not name.startswith("alembic_")]
        if kind is AUTH and "users" in others:
            # MLflow before 3.6 made them without writing down a revision.
            first = next(revision for revision, before in revisions.items() if before is None)
            return Schema("older" if {"experiment_permissions"} & set(others) else "foreign", first, expected, limit)
        # The authentication tables may share a database with the tracking tables.
        return Schema("foreign" if others and kind is not AUTH else "empty", None, expected, limit)
    revision = found[0]
    state = "current" if revision == expected else "older" if revision in revisions else "newer"
    return Schema(state, revision, expected, limit)


def require(schema: Schema, what: str, version: str) -> None:
    """Refuse any schema that a server of this version must not meet, with what to do.

    :raises SchemaError: the schema is older, newer or not MLflow's.
    """
    if schema.state == "older":
        raise SchemaError(
            f"The schema of {what} is older (revision {schema.revision}) than MLflow {version} needs "
            f"({schema.expected}). Nothing was changed: run the playbook upgrade."
        )
    if schema.state == "newer":
        raise SchemaError(
            f"The schema of {what} (revision {schema.revision}) is newer than MLflow {version}, which needs "
            f"{schema.expected}. Nothing was changed. Set mlflow_version to the version that wrote it, or restore a "
            f"backup taken before that upgrade: MLflow cannot take a schema back."
        )
    if schema.state == "foreign":
        raise SchemaError(
            f"{what} has tables, but no MLflow schema revision: it belongs to something else, or was made by a very "
            f"old MLflow. Nothing was changed. Give an empty database of its own."
        )


def wait_until_reachable(
    uri: str,
    password: str | None,
    seconds: float,
    say: Callable[[str], None],
    being_created: bool = False,
    role: str | None = None,
) -> None:
    """Try again for a while: a database that was started together with us needs some seconds.

    :param being_created: an operator makes databases and roles meanwhile, so that a missing one is waited for too.
    :param role: a role that must exist as well.
    :raises SchemaError: it still cannot be used; what it said last is in the message.
    """
    waited_for = (DatabaseUnavailable, DatabaseMissing) if being_created else (DatabaseUnavailable,)
    end = time.monotonic() + seconds
    while True:
        try:
            read(uri, password)
            if role:
                _require_role(DatabaseUri.parse(uri), password, role)
            return
        except waited_for as error:
            if time.monotonic() > end:
                raise
            say(str(error))
            time.sleep(1)


def _require_role(database: DatabaseUri, password: str | None, role: str) -> None:
    with _postgresql(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", (role,))
        if not cursor.fetchone()[0]:
            raise DatabaseMissing(
                f"PostgreSQL at {database.host}:{database.port} has no role {role}, which the servers use. "
                f'Create it: CREATE ROLE "{role}" LOGIN;'
            )


def wait_until_current(
    uri: str,
    password: str | None,
    kind: tuple[str, str],
    what: str,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    """Wait until a database answers and has the schema that the installed MLflow needs.

    Servers that start together with the database and the job that creates the tables come up without crashing.

    :raises SchemaError: the schema is one that no waiting will mend, or the time is over.
    """
    end = time.monotonic() + seconds
    objected = False
    while True:
        try:
            found = read(uri, password, kind)
            require(found, what, "of this image")
            if found.state == "current":
                return
            reason = f"{what} is empty; a migration job must create its tables"
        except DatabaseUnavailable as error:
            reason = str(error)
        except SchemaError:
            # While tables are being created they look foreign, or are not open to us yet. Looked at once more, because
            # that may have ended between our two questions.
            try:
                migrating = being_migrated(uri, password)
            except DatabaseUnavailable:
                continue  # it went away in between: the next look says so, and waits
            if not migrating:
                if objected:
                    raise
                objected = True
                continue
            reason = f"{what} is being migrated"
        objected = False
        if time.monotonic() > end:
            raise SchemaError(f"Waited {seconds:.0f} s in vain: {reason}")
        say(reason)
        time.sleep(1)


def being_migrated(uri: str, password: str | None = None) -> bool:
    """Whether somebody holds the lock of all schema changes right now. PostgreSQL only; False elsewhere."""
    database = DatabaseUri.parse(uri)
    if database.path is not None:
        return False
    with _postgresql(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND "
            "database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
            "classid::bigint = %s AND objid::bigint = %s",
            (_ADVISORY_LOCK >> 32, _ADVISORY_LOCK & 0xFFFFFFFF),
        )
        return bool(cursor.fetchone()[0])


def ensure(
    uri: str,
    password: str | None = None,
    *,
    grantee: str | None = None,
    auth_uri: str | None = None,
    admin: str = "admin",
    admin_password: str | None = None,
    migrate: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Create what is empty, leave what fits, refuse the rest: what the module C(mlflow_schema) returns.

    :param migrate: bring an older schema to what the installed MLflow needs. There is no way back
        but a snapshot.
    :raises SchemaError: a schema does not fit, or a database cannot be used; nothing was changed then.
    """
    _refuse_interrupted_restore(uri)
    fitting = ("current", "empty", "older") if migrate else ("current", "empty")
    # Look at both databases before either is changed.
    tracking = read(uri, password)
    auth = read(auth_uri, password, AUTH) if auth_uri else None
    for found, what in ((tracking, "the backend store"), (auth, "the user database")):
        if found and found.state not in fitting:
            require(found, what, "in this environment")
    if auth and auth.state == "empty" and not admin_password and not dry_run:
        raise BadInput("The administrator's first password is needed to create the user database.")
    for found, place in ((tracking, uri), (auth, auth_uri)):
        if found and place and found.state == "older":
            _refuse_while_used(place, password)
    changed = any(found.state != "current" for found in (tracking, auth) if found)
    if changed and not dry_run:
        changed = tracking.state == "empty" and create(uri, password, grantee)
        changed |= tracking.state == "older" and upgrade(uri, password, grantee)
        # After the other: its migrations read tables of the registry where both share a database.
        if auth_uri and auth and auth.state == "empty":
            changed |= create_auth(auth_uri, password, admin, str(admin_password), grantee)
        if auth_uri and auth and auth.state == "older":
            changed |= upgrade(auth_uri, password, grantee, AUTH)
        # changed is false when another starter was first
    return {
        "changed": changed,
        "state": tracking.state,
        "revision": tracking.expected,
        "max_connections": tracking.max_connections,
        "diff": {
            "before": {"tracking": tracking.revision, "auth": auth.revision if auth else None},
            "after": {"tracking": tracking.expected, "auth": auth.expected if auth else None},
        },
    }


def _refuse_interrupted_restore(uri: str) -> None:
    """A killed restore may have moved the database away: an empty one in its place would hide it."""
    path = DatabaseUri.parse(uri).path
    if path and (shown := sqlite.cut_off(path)):
        raise SchemaError(
            f"A restore was interrupted while it put the database in place ({shown} is there). Run the restore again: "
            f"it first brings back what was there."
        )


def create(uri: str, password: str | None = None, grantee: str | None = None) -> bool:
    """Create the tracking tables in an empty database, under a lock, and let the server's role use them.

    :returns: False when another starter was first.
    """
    sqlalchemy, url = _engine_url(uri, password)
    with _migrating(uri, password), _mlflow_quiet():
        if read(uri, password).state != "empty":
            return False
        from mlflow.store.db import utils

        engine = sqlalchemy.create_engine(url)
        utils._initialize_tables(engine)
        engine.dispose()
        # Still under the lock: who waits for it may start a server at once.
        grant(uri, password, grantee)
    return True


def create_auth(uri: str, password: str | None, admin: str, admin_password: str, grantee: str | None = None) -> bool:
    """Create the authentication tables and the administrator in an empty database, under a lock.

    :returns: False when another starter was first.
    """
    _sqlalchemy, url = _engine_url(uri, password)
    with _migrating(uri, password), _mlflow_quiet():
        if read(uri, password, AUTH).state != "empty":
            return False
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore()
        store.init_db(url.render_as_string(hide_password=False))
        if not store.has_user(admin):
            store.create_user(admin, admin_password, is_admin=True)
        store.engine.dispose()
        grant(uri, password, grantee)
    return True


def upgrade(uri: str, password: str | None, grantee: str | None = None, kind: tuple[str, str] = TRACKING) -> bool:
    """Run the migrations between a database's schema and what the installed MLflow needs, under a lock.

    :returns: False when another was first.
    :raises SchemaError: a migration failed.
    """
    sqlalchemy, url = _engine_url(uri, password)
    with _migrating(uri, password), _mlflow_quiet("Migrating"):
        if read(uri, password, kind).state != "older":
            return False
        engine = sqlalchemy.create_engine(url)
        if kind is AUTH:
            from mlflow.server.auth.db.utils import migrate

            migrate(engine, "head")
        else:
            from mlflow.store.db import utils

            utils._upgrade_db(engine)
        engine.dispose()
        grant(uri, password, grantee)
    return True


def _refuse_while_used(uri: str, password: str | None) -> None:
    """A server of the old version would write into what changes under it. PostgreSQL only."""
    database = DatabaseUri.parse(uri)
    if database.path is not None:
        return
    with _postgresql(database, password) as connection:
        cursor = connection.cursor()
        # Our own are this one and that which holds the lock; probes look for a moment.
        cursor.execute(
            "SELECT usename, count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND application_name NOT LIKE %s GROUP BY usename ORDER BY usename",
            (f"{APPLICATION}%",),
        )
        if users := cursor.fetchall():
            raise SchemaError(
                f"The database {database.database} is in use by {', '.join(f'{who} ({n})' for who, n in users)}, so it "
                f"was not migrated. Stop the servers first: what they write meanwhile would be lost or refused."
            )


def grant(uri: str, password: str | None, grantee: str | None) -> None:
    """Let C(grantee) read and write rows, but not change the schema. PostgreSQL only."""
    if not grantee:
        return
    database = DatabaseUri.parse(uri)
    with _postgresql(database, password) as connection:
        names = _driver(database).sql
        role, owner = names.Identifier(grantee), names.Identifier(database.user)
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
            cursor.execute(names.SQL(statement).format(role=role, owner=owner))
        connection.commit()


def state_of(revision: str, kind: tuple[str, str] = TRACKING) -> str:
    """Whether the installed MLflow finds a revision C(current), C(older) or C(newer) (which is: does not know it)."""
    revisions = _revisions(kind)
    return "current" if revision == _heads(revisions)[0] else "older" if revision in revisions else "newer"


def between(revision: str | None, kind: tuple[str, str] = TRACKING) -> list[str]:
    """The migrations after a revision, in the order in which they would run."""
    before = _revisions(kind)
    chain: list[str] = []
    step: str | None = _heads(before)[0]
    while step and step != revision:
        chain.insert(0, step)
        step = before[step]
    return chain


def session(database: DatabaseUri, password: str | None) -> contextlib.AbstractContextManager[Any]:
    """A connection to a PostgreSQL, closed at the end.

    :raises DatabaseUnavailable: it does not answer, or refuses us; the password is not named.
    """
    return _postgresql(database, password)


def identifiers(database: DatabaseUri) -> Any:
    """The driver's module that quotes names in statements."""
    return _driver(database).sql


def _revisions(kind: tuple[str, str]) -> dict[str, str | None]:
    """Every revision that the installed MLflow knows, with the one before it."""
    spec = find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise MissingLibrary("mlflow", "know which database schema it expects")
    scripts = Path(next(iter(spec.submodule_search_locations)), kind[0])
    found: dict[str, str | None] = {}
    for script in scripts.glob("*.py"):
        text = script.read_text(encoding="utf-8")
        revision = re.search(r"^revision\s*(?::[^=]*)?=\s*[\"'](\w+)[\"']", text, re.MULTILINE)
        before = re.search(r"^down_revision\s*(?::[^=]*)?=\s*(?:[\"'](\w+)[\"']|None)", text, re.MULTILINE)
        if revision and before:
            found[revision[1]] = before[1]
    if not found:
        raise SchemaError(f"The installed MLflow has no migration scripts in {kind[0]}: is the installation complete?")
    return found


def _heads(revisions: dict[str, str | None]) -> list[str]:
    heads = sorted(set(revisions) - set(revisions.values()))
    if len(heads) != 1:
        raise SchemaError(f"The installed MLflow's migrations have {len(heads)} ends instead of one: {heads}.")
    return heads


def _read_sqlite(path: str, version_table: str) -> tuple[list[str], list[str]]:
    if not os.path.exists(path):
        return [], []
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_CONNECT_SECONDS)
        with contextlib.closing(connection):
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found = []
            if version_table in tables:
                found = [row[0] for row in connection.execute(f"SELECT version_num FROM {version_table}")]  # noqa: S608
            return found, tables
    except sqlite3.Error as error:
        raise SchemaError(f"The SQLite database {path} cannot be read: {error}.") from error


def _read_postgresql(
    database: DatabaseUri, password: str | None, version_table: str
) -> tuple[list[str], list[str], int]:
    with _postgresql(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [row[0] for row in cursor.fetchall()]
        found = []
        if version_table in tables:
            cursor.execute(f"SELECT version_num FROM {version_table}")  # noqa: S608
            found = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, "
            "(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)"
        )
        available, role_limit = cursor.fetchone()
        return found, tables, min(available, role_limit) if role_limit > 0 else available


@contextlib.contextmanager
def _postgresql(database: DatabaseUri, password: str | None) -> Iterator[Any]:
    driver = _driver(database)
    # libpq takes the URI as it is, once SQLAlchemy's driver suffix is off.
    dsn = database.uri.replace(f"+{database.driver}", "", 1)
    try:
        connection = driver.connect(
            dsn, password=password or None, connect_timeout=_CONNECT_SECONDS, application_name=APPLICATION
        )
    except driver.OperationalError as error:
        text = " ".join(str(error).split())
        hint = (
            f' Create it: CREATE DATABASE "{database.database}" OWNER "{database.user}";'
            if "does not exist" in text and "database" in text
            else ""
        )
        final = hint or "authentication failed" in text or "does not exist" in text or "no pg_hba.conf entry" in text
        raise (DatabaseMissing if final else DatabaseUnavailable)(
            f"PostgreSQL at {database.host}:{database.port}, database {database.database}, user {database.user}, "
            f"cannot be used: {text}.{hint}"
        ) from error
    try:
        yield connection
    except driver.Error as error:
        raise SchemaError(
            f"PostgreSQL at {database.host}:{database.port}, database {database.database}, refused user "
            f"{database.user}: {' '.join(str(error).split())}."
        ) from error
    finally:
        connection.close()


def _driver(database: DatabaseUri) -> Any:
    try:
        if database.driver == "psycopg2":
            import psycopg2
            import psycopg2.sql

            return psycopg2
        import psycopg
        import psycopg.sql

        return psycopg
    except ImportError as error:
        raise MissingLibrary(str(database.package), "read the database") from error


@contextlib.contextmanager
def _migrating(uri: str, password: str | None) -> Iterator[None]:
    """Hold the one lock of all schema changes. SQLite: its own locking serves, because one host uses one file."""
    database = DatabaseUri.parse(uri)
    if database.path is not None:
        Path(database.path).parent.mkdir(parents=True, exist_ok=True)
        yield
        return
    with _postgresql(database, password) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        connection.commit()
        yield  # closing the connection frees the lock, whatever happened


def _engine_url(uri: str, password: str | None) -> tuple[Any, Any]:
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingLibrary("sqlalchemy", "create the database schema") from error
    url = sqlalchemy.engine.make_url(uri)
    return sqlalchemy, url.set(password=password) if password else url


@contextlib.contextmanager
def _mlflow_quiet(act: str = "Creating") -> Iterator[None]:
    """Run MLflow's own code without its logging, and turn what it raises into an error of ours."""
    import logging

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.disable(logging.WARNING)
    try:
        yield
    except EngineError:
        raise
    except ImportError as error:
        raise MissingLibrary(error.name or "mlflow", "create the database schema") from error
    except Exception as error:
        text = " ".join(str(error).split())
        if "permission denied" in text or "must be owner" in text:
            raise BadInput(
                f"The database role may not create tables: {text[:300]}. Give the owner's role and password as "
                f"mlflow_database_owner and mlflow_database_owner_password_file."
            ) from error
        raise SchemaError(f"{act} the schema failed: {type(error).__name__}: {text[:500]}") from error
    finally:
        logging.disable(logging.NOTSET)
