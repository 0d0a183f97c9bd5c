"""mlflow_schema on a real PostgreSQL: created once by the owner, used by a role that may not change it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from support.databases import Databases
from support.playbooks import PlayResult, run_module, run_play
from support.ports import NOBODYS_PORT
from support.postgresql import OWNER, OWNER_PASSWORD, SERVER, SERVER_PASSWORD, PostgreSQL
from support.servers import RunningServer

FIRST_REVISION = "451aebb31d03"
NEWER_REVISION = "ffffffffffff"


def tables(postgresql: PostgreSQL, database: str) -> list[str]:
    return sorted(postgresql.row_counts(database))


def set_revision(postgresql: PostgreSQL, database: str, revision: str) -> None:
    with postgresql.superuser(database) as connection:
        changed = connection.execute("UPDATE alembic_version SET version_num = %s", (revision,)).rowcount
    assert changed == 1


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE mine (id int)", "ALTER TABLE runs ADD COLUMN mine int", "DROP TABLE runs", "TRUNCATE runs"],
)
def test_the_servers_role_cannot_change_the_schema(
    light_server: RunningServer, postgresql: PostgreSQL, statement: str
) -> None:
    with postgresql.superuser() as connection:
        users = connection.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'light'").fetchall()
    assert users == [(SERVER,)], "the server works under another role"
    with (
        postgresql.connect(SERVER, SERVER_PASSWORD, "light") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
    with postgresql.connect(SERVER, SERVER_PASSWORD, "light") as connection:  # the same role may write rows
        connection.execute("UPDATE runs SET name = name")


def test_a_current_schema_is_left_alone(databases: Databases, postgresql: PostgreSQL) -> None:
    database = databases.copy("current")
    before = postgresql.row_counts(database)
    arguments = databases.schema_arguments(database)
    result = run_module("mlflow_schema", arguments, interpreter=databases.interpreter)
    assert (result["changed"], result["state"]) == (False, "current")
    assert 0 < result["max_connections"] < 300
    assert postgresql.row_counts(database) == before


def test_check_mode_says_that_an_empty_database_would_change_and_changes_nothing(
    databases: Databases, postgresql: PostgreSQL
) -> None:
    database = postgresql.create_database("untouched")
    arguments = databases.schema_arguments(database)
    result = run_module("mlflow_schema", arguments, "--check", "--diff", interpreter=databases.interpreter)
    assert (result["changed"], result["state"]) == (True, "empty")
    assert result["diff"]["before"]["tracking"] is None
    assert result["diff"]["after"]["tracking"] == result["revision"]
    assert tables(postgresql, database) == []


def test_of_three_starters_at_once_exactly_one_creates_and_none_fails(
    databases: Databases, postgresql: PostgreSQL
) -> None:
    database = postgresql.create_database("race")
    arguments = databases.schema_arguments(database)

    def start(_number: int) -> dict[str, Any]:
        return run_module("mlflow_schema", arguments, interpreter=databases.interpreter)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(start, range(3)))
    assert not any(result.get("failed") for result in results), results
    assert sorted(result["changed"] for result in results) == [False, False, True]
    assert tables(postgresql, database) == tables(postgresql, databases.templates[0])


@pytest.fixture(scope="module")
def refusals(databases: Databases, postgresql: PostgreSQL) -> PlayResult:
    """Every database that must be refused, met in one run of Ansible."""
    set_revision(postgresql, databases.copy("older"), FIRST_REVISION)
    set_revision(postgresql, databases.copy("newer"), NEWER_REVISION)
    postgresql.create_database("foreign")
    with postgresql.connect(OWNER, OWNER_PASSWORD, "foreign") as connection:
        connection.execute("CREATE TABLE customers AS SELECT 1 AS id")
    postgresql.create_database("not_mine")
    wrong = databases.owner_password_file.with_name("wrong")
    wrong.write_text("wr0ng-p4ssword")
    server_only = {"password_file": str(databases.server_password_file)}
    cases = {
        "older": databases.schema_arguments("older"),
        "newer": databases.schema_arguments("newer"),
        "foreign": databases.schema_arguments("foreign"),
        "absent": databases.schema_arguments("absent"),
        "wrong password": databases.schema_arguments("older") | {"password_file": str(wrong)},
        "unreachable": {"uri": f"postgresql+psycopg://{OWNER}@127.0.0.1:{NOBODYS_PORT}/mlflow"},
        "no right to create": {"uri": postgresql.uri("not_mine", SERVER), **server_only},
    }
    before = {name: postgresql.row_counts(name) for name in ("older", "newer", "foreign", "not_mine")}
    run = run_play(
        [
            {
                "name": name,
                "mlops.mlflow.mlflow_schema": arguments,
                "ignore_errors": True,
                "vars": {"ansible_python_interpreter": str(databases.interpreter)},
            }
            for name, arguments in cases.items()
        ]
    )
    assert {name: postgresql.row_counts(name) for name in before} == before, "a refused database was changed"
    assert len(run.failures) == len(cases)
    return run


@pytest.mark.heart
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("older", [FIRST_REVISION, "Nothing was changed", "Upgrade it: ansible-playbook "]),
        ("newer", [NEWER_REVISION, "Nothing was changed", "mlflow_version", "cannot take a schema back"]),
        ("foreign", ["no MLflow schema revision", "Nothing was changed", "empty database of its own"]),
        ("absent", ["does not exist", f'CREATE DATABASE "absent" OWNER "{OWNER}"']),
        ("wrong password", ["127.0.0.1:", f"user {OWNER}", "authentication failed"]),
        ("unreachable", ["127.0.0.1:", "database mlflow", "refused"]),
        ("no right to create", ["may not create tables", "mlflow_database_owner"]),
    ],
)
def test_a_database_that_cannot_serve_is_refused_with_what_to_do(
    refusals: PlayResult, case: str, words: list[str]
) -> None:
    message = refusals.of(case)["msg"]
    assert [word for word in words if word.lower() not in message.lower()] == [], message
    assert "Traceback" not in message


def test_no_refusal_prints_a_password(refusals: PlayResult) -> None:
    assert "authentication failed" in refusals.output
    for password in ("wr0ng-p4ssword", OWNER_PASSWORD, SERVER_PASSWORD):
        assert password not in refusals.output


# The head of MLflow 2.22: everything after it is classified.
OF_2_22 = "0584bdc529eb"


def test_schema_info_classifies_every_migration_since_2_22(databases: Databases, postgresql: PostgreSQL) -> None:
    set_revision(postgresql, databases.copy("of_2_22"), OF_2_22)
    given = {"uri": postgresql.uri("of_2_22"), "password_file": str(databases.owner_password_file)}
    before = postgresql.row_counts("of_2_22")
    found = run_module("mlflow_schema_info", given, interpreter=databases.interpreter)
    assert (found["changed"], found["state"], found["revision"], found["safe"]) == (False, "older", OF_2_22, False)
    kinds = {one["revision"]: one["kind"] for one in found["pending"]}
    assert len(kinds) > 30 and "unknown" not in kinds.values(), kinds
    assert set(kinds.values()) == {"additive", "rewriting", "destructive"}
    assert list(kinds)[-1] == found["expected"]
    assert postgresql.row_counts("of_2_22") == before


def test_schema_info_of_a_current_database_has_nothing_pending(databases: Databases) -> None:
    given = {
        "uri": databases.postgresql.uri(databases.templates[0]),
        "password_file": str(databases.owner_password_file),
    }
    found = run_module("mlflow_schema_info", given, interpreter=databases.interpreter)
    assert (found["state"], found["pending"], found["safe"]) == ("current", [], True)
