# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Creating and migrating the schema, once: with MLflow's own migrations, under one lock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from ..errors import BadInput, EngineError, MissingLibrary, SchemaError, one_line
from . import kinds, schema
from .new_pod import patiently
from .revisions import AUTH, TRACKING


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
    kinds.database(uri, password).require_settled()
    fitting = ("current", "empty", "older") if migrate else ("current", "empty")
    # Look at both databases before either is changed.
    tracking = schema.read(uri, password)
    auth = schema.read(auth_uri, password, AUTH) if auth_uri else None
    for found, what in ((tracking, "the backend store"), (auth, "the user database")):
        if found and found.state not in fitting:
            schema.require(found, what, "in this environment")
    if auth and auth.state == "empty" and not admin_password and not dry_run:
        raise BadInput("The administrator's first password is needed to create the user database.")
    for found, place in ((tracking, uri), (auth, auth_uri)):
        if found and place and found.state == "older":
            kinds.database(place, password).require_unused()
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


def create(uri: str, password: str | None = None, grantee: str | None = None) -> bool:
    """Create the tracking tables in an empty database, under a lock, and let the server's role use them.

    :returns: False when another starter was first.
    """
    sqlalchemy, url = _engine_url(uri, password)
    with kinds.database(uri, password).changing(), _mlflow_quiet():
        if schema.read(uri, password).state != "empty":
            return False
        engine = _connected(sqlalchemy.create_engine(url))
        kinds.database(uri, password).create_tables(engine)
        engine.dispose()
        # Still under the lock: who waits for it may start a server at once.
        _grant(uri, password, grantee)
    return True


def create_auth(uri: str, password: str | None, admin: str, admin_password: str, grantee: str | None = None) -> bool:
    """Create the authentication tables and the administrator in an empty database, under a lock.

    :returns: False when another starter was first.
    """
    _sqlalchemy, url = _engine_url(uri, password)
    with kinds.database(uri, password).changing(), _mlflow_quiet():
        if schema.read(uri, password, AUTH).state != "empty":
            return False
        from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

        store = SqlAlchemyStore()
        store.init_db(url.render_as_string(hide_password=False))
        if not store.has_user(admin):
            store.create_user(admin, admin_password, is_admin=True)
        store.engine.dispose()
        _grant(uri, password, grantee)
    return True


def upgrade(uri: str, password: str | None, grantee: str | None = None, kind: tuple[str, str] = TRACKING) -> bool:
    """Run the migrations between a database's schema and what the installed MLflow needs, under a lock.

    :returns: False when another was first.
    :raises SchemaError: a migration failed.
    """
    sqlalchemy, url = _engine_url(uri, password)
    with kinds.database(uri, password).changing(), _mlflow_quiet("Migrating"):
        if schema.read(uri, password, kind).state != "older":
            return False
        engine = _connected(sqlalchemy.create_engine(url))
        kinds.database(uri, password).prepare_migrations(engine)
        if kind is AUTH:
            from mlflow.server.auth.db.utils import migrate

            migrate(engine, "head")
        else:
            from mlflow.store.db import utils

            utils._upgrade_db(engine)
        engine.dispose()
        _grant(uri, password, grantee)
    return True


def _grant(uri: str, password: str | None, grantee: str | None) -> None:
    if grantee:
        kinds.database(uri, password).grant(grantee)


def _engine_url(uri: str, password: str | None) -> tuple[Any, Any]:
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingLibrary("sqlalchemy", "create the database schema") from error
    url = sqlalchemy.engine.make_url(kinds.parse(uri).limited().uri)
    return sqlalchemy, url.set(password=password) if password else url


def _connected(engine: Any) -> Any:
    """With a connection in its pool."""
    patiently(engine.connect).close()
    return engine


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
        text = one_line(error)
        if "permission denied" in text or "must be owner" in text:
            raise BadInput(
                f"The database role may not create tables: {text[:300]}. Give the owner's role and password as "
                f"mlflow_database_owner and mlflow_database_owner_password_file."
            ) from error
        raise SchemaError(f"{act} the schema failed: {type(error).__name__}: {text[:500]}") from error
    finally:
        logging.disable(logging.NOTSET)
