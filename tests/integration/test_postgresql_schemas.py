"""A PostgreSQL whose `public` is closed: tables lie in a schema of the owner's name, and every operation finds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import postgresql_uri
from psycopg.sql import SQL, Identifier
from support.databases import Databases
from support.environments import Environments
from support.playbooks import run_module
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER, PostgreSQL
from support.servers import RunningServer, create_run


def closed(postgresql: PostgreSQL, name: str, schema: str = OWNER) -> str:
    """A database in which nobody may use `public`, and the owner has a schema."""
    with postgresql.superuser() as connection:
        connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(OWNER)))
    with postgresql.superuser(name) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO postgres")
        connection.execute(SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(Identifier(schema), Identifier(OWNER)))
    return name


def tables(postgresql: PostgreSQL, database: str) -> dict[str, int]:
    with postgresql.superuser(database) as connection:
        found = connection.execute(
            "SELECT schemaname, count(*) FROM pg_tables WHERE tablename IN ('runs', 'alembic_version') GROUP BY 1"
        ).fetchall()
    return dict(found)


@pytest.fixture(scope="module")
def module(environments: Environments) -> Callable[..., dict[str, Any]]:
    def run(name: str, **arguments: Any) -> dict[str, Any]:
        return run_module(name, arguments, interpreter=environments.slim / "bin" / "python")

    return run


@pytest.fixture(scope="module", params=["closed", 'needs "quoting" 100%'])
def made(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    databases: Databases,
    module: Callable[..., dict[str, Any]],
) -> tuple[str, dict[str, Any]]:
    name = closed(postgresql, request.param)
    arguments = databases.schema_arguments("x") | {"uri": encoded(postgresql, request.param, OWNER)}
    result = module("mlflow_schema", **arguments)
    assert result.get("changed") is True, result
    postgresql.let_owner_create_databases()
    return name, arguments


def encoded(postgresql: PostgreSQL, database: str, user: str) -> str:
    return postgresql_uri.parse(postgresql.uri("x")).replace(user=user, database=database).uri


def test_the_second_run_finds_the_tables_that_the_first_one_made(
    postgresql: PostgreSQL, made: tuple[str, dict[str, Any]], module: Callable[..., dict[str, Any]]
) -> None:
    name, arguments = made
    again = module("mlflow_schema", **arguments)
    assert again.get("changed") is False and again["state"] == "current", again
    assert tables(postgresql, name) == {OWNER: 2}, "nothing is made a second time, and nothing in public"


def test_the_server_under_its_own_role_finds_them_too(
    environments: Environments,
    postgresql: PostgreSQL,
    databases: Databases,
    made: tuple[str, dict[str, Any]],
    run_server: Callable[..., RunningServer],
) -> None:
    name, _arguments = made
    connection = databases.connection("x") | {"uri": encoded(postgresql, name, SERVER)}
    server = run_server(environments.slim, "light", connection)
    try:
        assert server.check("deep").healthy
    finally:
        server.stop()
    assert tables(postgresql, name) == {OWNER: 2}


def snapshot(databases: Databases, folder: Path, uri: str) -> dict[str, Any]:
    artifacts = folder / "artifacts"
    artifacts.mkdir(exist_ok=True)
    return {
        "destination": str(folder / "backup"),
        "database_uri": uri,
        "database_password_file": str(databases.owner_password_file),
        "artifacts_uri": str(artifacts),
        "pg_bindir": str(databases.postgresql.tools),
    }


def test_its_rows_are_backed_up_proven_and_restored(
    postgresql: PostgreSQL,
    databases: Databases,
    made: tuple[str, dict[str, Any]],
    module: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    name, arguments = made
    with postgresql.connect(OWNER, OWNER_PASSWORD, name) as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (4711, 'kept', 'active')"
            " ON CONFLICT DO NOTHING"
        )
    given = snapshot(databases, tmp_path, arguments["uri"])
    taken = module("mlflow_backup", **given)
    assert not taken.get("failed"), taken
    drilled = module("mlflow_restore", **given, drill=True)
    assert not drilled.get("failed"), drilled
    assert drilled["rows"]["tracking"]["experiments"] >= 1
    with postgresql.connect(OWNER, OWNER_PASSWORD, name) as connection:
        connection.execute("DELETE FROM experiments WHERE experiment_id = 4711")
    restored = module("mlflow_restore", **given, grantee=SERVER)
    assert not restored.get("failed"), restored
    with postgresql.connect(OWNER, OWNER_PASSWORD, name) as connection:
        found = connection.execute("SELECT name FROM experiments WHERE experiment_id = 4711").fetchall()
    assert found == [("kept",)]
    assert module("mlflow_schema", **arguments)["state"] == "current"


def test_a_database_without_tables_is_not_backed_up(
    postgresql: PostgreSQL, databases: Databases, module: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    closed(postgresql, "without_tables")
    result = module("mlflow_backup", **snapshot(databases, tmp_path, postgresql.uri("without_tables")))
    assert result.get("failed") and "has no tables of MLflow" in result["msg"], result


def test_a_role_that_does_not_find_the_tables_is_told_instead_of_making_them_again(
    postgresql: PostgreSQL, databases: Databases, module: Callable[..., dict[str, Any]]
) -> None:
    closed(postgresql, "elsewhere", "tables of mlflow")
    uri = postgresql.uri("elsewhere")
    arguments = databases.schema_arguments("elsewhere")
    options = "?options=" + "-c%20search_path%3D%22tables%5C%20of%5C%20mlflow%22"
    made = module("mlflow_schema", **arguments | {"uri": uri + options, "grantee": OWNER})
    assert made.get("changed") is True, made
    # The database itself leads there since; a role may be led elsewhere.
    astray = uri + "?options=-c%20search_path%3Dpublic"
    lost = module("mlflow_schema", **arguments | {"uri": astray, "grantee": OWNER})
    assert lost.get("failed") and "tables of mlflow" in lost["msg"] and "search_path" in lost["msg"], lost


def test_a_run_can_be_made_under_the_servers_role(
    environments: Environments, databases: Databases, run_server: Callable[..., RunningServer], postgresql: PostgreSQL
) -> None:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client

    closed(postgresql, "closed_run")
    arguments = databases.schema_arguments("closed_run")
    assert run_module("mlflow_schema", arguments, interpreter=environments.slim / "bin" / "python")["changed"]
    server = run_server(environments.slim, "throughput", databases.connection("closed_run"))
    client = Client(server.server())
    try:
        assert create_run(client)
    finally:
        client.close()
        server.stop()
