"""Databases and roles of many tenants in one PostgreSQL: made once, kept apart, removed only where they are ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes, kinds, schema
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.tenants import Administrator, Tenant
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, SchemaError
from support.postgresql import SUPERUSER, SUPERUSER_PASSWORD, PostgreSQL

MAKER, MAKER_PASSWORD = "maker", "maker % 'word'"


@pytest.fixture(scope="module", params=["psycopg", "psycopg2"])
def administrators(request: pytest.FixtureRequest, postgresql: PostgreSQL) -> dict[str, Administrator]:
    """A superuser, and one as clouds give it to their customers."""
    with postgresql.superuser() as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (MAKER,)).fetchone():
            literal = psycopg.sql.Literal(MAKER_PASSWORD)
            connection.execute(
                psycopg.sql.SQL("CREATE ROLE maker LOGIN CREATEDB CREATEROLE PASSWORD {}").format(literal)
            )
    logins = {"superuser": (SUPERUSER, SUPERUSER_PASSWORD), "maker": (MAKER, MAKER_PASSWORD)}
    return {
        name: kinds.database(postgresql.uri("postgres", user, request.param), password).administrator()
        for name, (user, password) in logins.items()
    }


@pytest.fixture(params=["superuser", "maker"])
def administrator(request: pytest.FixtureRequest, administrators: dict[str, Administrator]) -> Administrator:
    return administrators[request.param]


@pytest.fixture
def server(postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    """Which has afterwards what it had before."""
    before = state(postgresql)
    yield postgresql
    made = {what: names - before[what] for what, names in state(postgresql).items()}
    with postgresql.superuser() as connection:
        for what, names in made.items():
            for name in names:
                connection.execute(psycopg.sql.SQL(f"DROP {what} {{}}").format(psycopg.sql.Identifier(name)))


def state(postgresql: PostgreSQL) -> dict[str, set[str]]:
    with postgresql.superuser() as connection:
        ask = {"DATABASE": "SELECT datname FROM pg_database", "ROLE": "SELECT rolname FROM pg_roles"}
        return {what: {name for (name,) in connection.execute(query).fetchall()} for what, query in ask.items()}


def tenant(name: str, **more: Any) -> Tenant:
    passwords = {name: f"of {name} '%s'", f"{name}-owner": f"of the owner of {name}"}
    return Tenant(**{
        "databases": [name, f"{name}_auth"], "user": name, "owner": f"{name}-owner", "fleet": "tenants",
        "passwords": passwords, **more,
    })  # fmt: skip


MADE = ["role a-owner", "role a", "database a", "database a_auth"]


def test_what_is_missing_is_made_once_and_its_tenant_comes_in(administrator: Administrator, server: PostgreSQL) -> None:
    before, one = state(server), tenant("a")
    assert administrator.ensure(one, check=True) == MADE
    assert state(server) == before, "check mode makes nothing"
    assert administrator.ensure(one) == MADE
    assert administrator.ensure(one) == [] == administrator.ensure(one, check=True)
    for role, password in one.passwords.items():
        server.connect(role, password, "a").close()
    with server.connect("a-owner", one.passwords["a-owner"], "a") as connection:
        connection.execute("CREATE TABLE t ()")
    assert passwords_are_kept_as_verifiers(server)
    assert members_of(server, "a-owner") <= {"postgres"}, "the administrator can be no tenant afterwards"


def passwords_are_kept_as_verifiers(server: PostgreSQL) -> bool:
    with server.superuser() as connection:
        found = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname IN ('a', 'a-owner')").fetchall()
    return len(found) == 2 and all(text.startswith("SCRAM-SHA-256$") for (text,) in found)


def members_of(server: PostgreSQL, role: str) -> set[str]:
    with server.superuser() as connection:
        asked = "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, %s, 'USAGE') AND rolname <> %s"
        return {name for (name,) in connection.execute(asked, (role, role)).fetchall()}


def test_no_tenant_enters_the_database_of_another(administrator: Administrator, server: PostgreSQL) -> None:
    first, second = tenant("a"), tenant("b")
    administrator.ensure(first)
    administrator.ensure(second)
    for role, password in second.passwords.items():
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            server.connect(role, password, "a")


def test_a_secret_that_was_lost_and_made_anew_opens_the_database_again(
    administrator: Administrator, server: PostgreSQL
) -> None:
    administrator.ensure(tenant("a"))
    again = tenant("a", passwords={"a": "another", "a-owner": tenant("a").passwords["a-owner"]})
    assert administrator.ensure(again, check=True) == ["password of a"]
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        server.connect("a", "another", "a")
    assert administrator.ensure(again) == ["password of a"]
    server.connect("a", "another", "a").close()


def test_what_was_cut_off_is_gone_on_with(administrator: Administrator, server: PostgreSQL) -> None:
    administrator.ensure(tenant("a"))
    with server.superuser() as connection:
        connection.execute("DROP DATABASE a_auth")
        connection.execute("GRANT CONNECT ON DATABASE a TO PUBLIC")
    assert administrator.ensure(tenant("a")) == ["database a_auth"]
    administrator.ensure(tenant("b"))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        server.connect("b", tenant("b").passwords["b"], "a")


def test_roles_that_all_share_are_made_once(administrator: Administrator, server: PostgreSQL) -> None:
    shared = {"user": "all", "owner": "all", "passwords": {"all": "of all"}}
    assert administrator.ensure(tenant("a", **shared)) == ["role all", "database a", "database a_auth"]
    assert administrator.ensure(tenant("b", **shared)) == ["database b", "database b_auth"]
    assert administrator.remove(tenant("a", **shared)) == ["database a", "database a_auth"]
    assert administrator.remove(tenant("b", **shared), check=True) == ["database b", "database b_auth", "role all"]
    assert administrator.remove(tenant("b", **shared)) == ["database b", "database b_auth", "role all"]


def test_nothing_of_somebody_else_is_changed_or_removed(administrator: Administrator, server: PostgreSQL) -> None:
    with server.superuser() as connection:
        connection.execute("CREATE ROLE other LOGIN PASSWORD 'theirs'")
        connection.execute("CREATE DATABASE a OWNER other")
    with pytest.raises(BadInput, match="The database a belongs to other, not to a-owner"):
        administrator.ensure(tenant("a"))
    with pytest.raises(BadInput, match="a belongs to other, which the fleet tenants did not make: it was not removed"):
        administrator.remove(tenant("a"))
    mine = tenant("b", user="other", owner="other", passwords={"other": "mine"}, databases=["a"])
    with pytest.raises(BadInput, match="The role other has another password than its Secret, and the fleet tenants"):
        administrator.ensure(mine)
    server.connect("other", "theirs", "a").close()
    # An administrator's role is one of somebody else, whatever an instance is called.
    with pytest.raises(BadInput, match="The role postgres has another password"):
        administrators_namesake = tenant("postgres", user="postgres", owner="postgres", databases=["postgres"])
        administrator.ensure(administrators_namesake)
    server.superuser().close()


def test_another_fleet_removes_nothing(administrator: Administrator, server: PostgreSQL) -> None:
    administrator.ensure(tenant("a"))
    with pytest.raises(BadInput, match="which the fleet others did not make"):
        administrator.remove(tenant("a", fleet="others"))
    assert {"a", "a_auth"} <= state(server)["DATABASE"]


def test_they_are_removed_as_long_as_nobody_uses_them(administrator: Administrator, server: PostgreSQL) -> None:
    before, one = state(server), tenant("a")
    administrator.ensure(one)
    gone = ["database a", "database a_auth", "role a-owner", "role a"]
    assert administrator.remove(one, check=True) == gone
    with (
        server.connect("a", one.passwords["a"], "a"),
        pytest.raises(SchemaError, match='database "a" is being accessed by other users'),
    ):
        administrator.remove(one)
    assert administrator.remove(one) == gone
    assert administrator.remove(one) == [] and state(server) == before


def test_a_job_makes_those_of_its_share_with_what_lies_in_their_secrets(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "tables"

    def create_tables(uri: str, password: str, **more: Any) -> None:
        with asked.open("a") as file:
            file.write(f"{kinds.parse(uri).database} {password} {more['grantee']}\n")

    # MLflow itself is not installed here.
    monkeypatch.setattr(schema, "read", lambda *_asked: schema.Schema("empty", None, "head"))
    monkeypatch.setattr(changes, "ensure", create_tables)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "PGPASSWORD").write_text(f"of {name}")
        (tmp_path / name / "MLFLOW_DATABASE_OWNER_PASSWORD").write_text(f"of the owner of {name}")
    monkeypatch.setenv("MLFLOW_DATABASE_ADMIN_PASSWORD", SUPERUSER_PASSWORD)
    names = ("PGPASSWORD", "MLFLOW_DATABASE_OWNER_PASSWORD")
    options = {
        "operation": "databases", "names": ["a", "b", "c"], "mark": "\ue000", "env": {},
        "secrets": {name: f"{tmp_path}/\ue000/{name}" for name in names},
        "options": {
            "server_uri": server.uri("postgres", SUPERUSER), "database_uri": server.uri("\ue000", "\ue000"),
            "owner_uri": server.uri("\ue000", "\ue000-owner"), "fleet": "tenants",
        },
    }  # fmt: skip
    lines: list[str] = []
    request = protocol.Request("each", options)
    found = operations.run(request, lines.append, os.environ)
    parts = dict(part for line in lines if (part := protocol.part_of(line, request.id)))
    assert found["counts"] == {"done": 2, "failures": 1}
    assert parts["a"] == {"changed": True, "failed": False, "msg": "role a-owner, role a, database a, tables of a"}
    assert "no password for the role c-owner" in parts["c"]["msg"]
    assert asked.read_text().splitlines() == ["a of the owner of a a", "b of the owner of b b"]
    server.connect("b", "of b", "b").close()


def test_a_role_is_not_made_without_its_password(administrator: Administrator, server: PostgreSQL) -> None:
    before = state(server)
    with pytest.raises(BadInput, match="There is no password for the role a-owner"):
        administrator.ensure(tenant("a", passwords={}))
    assert state(server) == before


def test_what_may_not_make_databases_says_so(server: PostgreSQL) -> None:
    with server.superuser() as connection:
        connection.execute("CREATE ROLE humble LOGIN PASSWORD 'humble'")
    humble = kinds.database(server.uri("postgres", "humble"), "humble").administrator()
    with pytest.raises(SchemaError, match="permission denied to create role"):
        humble.ensure(tenant("a"))


@pytest.mark.parametrize("uri", ["sqlite:////data/mlflow.db"])
def test_other_kinds_of_databases_are_made_by_hand(uri: str) -> None:
    with pytest.raises(BadInput, match="not offered for sqlite: make them by hand"):
        kinds.database(uri).administrator()
