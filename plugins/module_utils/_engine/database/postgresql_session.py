# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions of a PostgreSQL, with either driver. The driver is imported when it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..connection import DatabaseUri
from ..errors import DatabaseMissing, DatabaseUnavailable, MissingLibrary, SchemaError

_CONNECT_SECONDS = 10
APPLICATION = "mlops.mlflow"


def libpq(database: DatabaseUri) -> str:
    """The URI as libpq and PostgreSQL's own tools want it, which is without the suffix for SQLAlchemy's driver."""
    return database.uri.replace(f"+{database.driver}", "", 1)


def identifiers(database: DatabaseUri) -> Any:
    """The driver's module that quotes names in statements."""
    return _driver(database).sql


@contextlib.contextmanager
def session(database: DatabaseUri, password: str | None) -> Iterator[Any]:
    """A connection, closed at the end.

    :raises DatabaseUnavailable: it does not answer, or refuses us; the password is not named.
    :raises DatabaseMissing: there is no such database or role, or its password is another.
    :raises SchemaError: it refused a statement.
    """
    driver = _driver(database)
    try:
        connection = driver.connect(
            libpq(database),
            password=password or None,
            connect_timeout=_CONNECT_SECONDS,
            application_name=APPLICATION,
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
