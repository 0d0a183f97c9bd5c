# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions of a PostgreSQL, with either driver. The driver is imported when it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..errors import DatabaseMissing, DatabaseUnavailable, MissingLibrary, SchemaError, one_line
from .new_pod import patiently
from .postgresql_uri import PostgreSQLUri

APPLICATION = "mlops.mlflow"


def identifiers(database: PostgreSQLUri) -> Any:
    """The driver's module that quotes names in statements."""
    return _driver(database).sql


def verifier(database: PostgreSQLUri, connection: Any, role: str, password: str) -> str:
    """What a server keeps of a role's password. Statements are written into logs, so that none holds a password."""
    driver = _driver(database)
    if database.driver == "psycopg2":
        return str(driver.extensions.encrypt_password(password, role, connection, "scram-sha-256"))
    return str(connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode())


def namespace(connection: Any) -> str:
    """The schema with MLflow's tables, or in which they would be made; not quoted.

    Since PostgreSQL 15 C(public) is often closed, and a role's tables are in a schema of its name. So: the first schema
    of the session's search path that holds them, as MLflow itself finds them; else the one schema that does, which is
    for who reads or loads them under another role; else the first of the path.

    :raises SchemaError: the role finds no schema at all.
    """
    cursor = connection.cursor()
    cursor.execute(
        "SELECT n.nspname, array_position(current_schemas(false), n.nspname) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
        "AND (c.relname = 'alembic_version_auth' OR c.relname = 'alembic_version' AND EXISTS "
        "(SELECT 1 FROM pg_class o WHERE o.relnamespace = n.oid AND o.relname = 'latest_metrics')) "
        "ORDER BY 2 NULLS LAST, 1"
    )
    if found := cursor.fetchall():
        return str(found[0][0])
    cursor.execute("SELECT current_schema(), current_user, current_database()")
    first, user, database = cursor.fetchone()
    if first is None:
        raise SchemaError(
            f"The user {user} finds no schema in the database {database} in which tables could be: public is closed to "
            f'it. Let the owner of the database give it one: CREATE SCHEMA "{user}" AUTHORIZATION "{user}";'
        )
    return str(first)


@contextlib.contextmanager
def session(database: PostgreSQLUri, password: str | None) -> Iterator[Any]:
    """A connection, closed at the end.

    :raises DatabaseUnavailable: it does not answer, or refuses us; the password is not named.
    :raises DatabaseMissing: there is no such database or role, or its password is another.
    :raises SchemaError: it refused a statement.
    """
    driver = _driver(database)
    try:
        connection = patiently(
            lambda: driver.connect(database.libpq, password=password or None, application_name=APPLICATION)
        )
    except driver.OperationalError as error:
        text = one_line(error)
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
            f"{database.user}: {one_line(error)}."
        ) from error
    finally:
        connection.close()


def _driver(database: PostgreSQLUri) -> Any:
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
