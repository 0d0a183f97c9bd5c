"""Connections and database URIs: exactly those that MLflow runs on without a surprise."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import (
    Connection,
    DatabaseUri,
    postgresql_connection,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput

URI = "postgresql+psycopg://mlflow@db.example.com/mlflow"


def test_a_postgresql_uri_is_taken_apart() -> None:
    found = DatabaseUri.parse("postgresql+psycopg2://me@db:6432/tracking?sslmode=require")
    assert (found.user, found.host, found.port, found.database) == ("me", "db", 6432, "tracking")
    assert found.package == "psycopg2-binary"
    assert DatabaseUri.parse(URI).port == 5432
    assert DatabaseUri.parse(URI).package == "psycopg[binary]"


def test_the_folder_of_a_unix_socket_serves_as_host() -> None:
    assert DatabaseUri.parse("postgresql+psycopg://me@/mlflow?host=/run/postgresql").host == "/run/postgresql"


def test_a_sqlite_uri_gives_its_absolute_path() -> None:
    found = DatabaseUri.parse("sqlite:////srv/mlflow/mlflow.db")
    assert (found.path, found.package) == ("/srv/mlflow/mlflow.db", None)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("postgresql://mlflow@db/mlflow", ["names no driver", "postgresql+psycopg, postgresql+psycopg2"]),
        ("postgres://mlflow@db/mlflow", ["names no driver"]),
        ("postgres+psycopg://mlflow@db/mlflow", ["'postgres+psycopg'", "not offered"]),
        ("postgresql+asyncpg://mlflow@db/mlflow", ["'postgresql+asyncpg'", "not offered", "postgresql+psycopg"]),
        ("postgresql+psycopg://db/mlflow", ["must name user, host and database"]),
        ("postgresql+psycopg://mlflow@db/", ["must name user, host and database"]),
        ("postgresql+psycopg://mlflow@db:port/mlflow", ["not a valid URI"]),
        ("sqlite:///mlflow.db", ["absolute path", "four slashes"]),
        ("sqlite://", ["absolute path"]),
        ("file:///srv/mlruns", ["file store", "mlflow migrate-filestore"]),
        ("file:/srv/mlruns", ["file store", "mlflow migrate-filestore"]),
        ("/srv/mlruns", ["file store", "mlflow migrate-filestore"]),
        ("./mlruns", ["file store", "mlflow migrate-filestore"]),
        ("", ["must be a database URI"]),
        ("mlflow.db", ["must be a database URI"]),
    ],
)
def test_a_uri_with_a_surprise_is_refused_with_the_remedy(uri: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        DatabaseUri.parse(uri, "mlflow_database_uri")
    assert [word for word in ["mlflow_database_uri", *words] if word not in str(refused.value)] == []


@pytest.mark.parametrize("password", ["hunter2", "p%40ss", ""])
def test_a_password_inside_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(BadInput) as refused:
        DatabaseUri.parse(f"postgresql+psycopg://mlflow:{password}@db/mlflow")
    assert "holds a password" in str(refused.value)
    assert not password or password not in str(refused.value)


def test_another_user_and_another_database_of_the_same_server() -> None:
    uri = DatabaseUri.parse("postgresql+psycopg://mlflow@db:6432/mlflow?sslmode=require")
    assert uri.replace(user="owner", database="other").uri == (
        "postgresql+psycopg://owner@db:6432/other?sslmode=require"
    )


def test_an_external_postgresql_becomes_a_connection_with_an_owner_and_a_user_database() -> None:
    found = postgresql_connection(URI, "/p", owner="boss", owner_password_file="/o")
    assert found["auth_uri"] == "postgresql+psycopg://mlflow@db.example.com/mlflow_auth"
    assert found["secrets"] == {"PGPASSWORD": {"file": "/p"}}
    assert found["owner"] == {
        "uri": "postgresql+psycopg://boss@db.example.com/mlflow",
        "auth_uri": "postgresql+psycopg://boss@db.example.com/mlflow_auth",
        "secrets": {"PGPASSWORD": {"file": "/o"}},
    }
    Connection.parse(found, "mlflow_database_connection")  # what the role sets is what launch accepts


def test_without_an_owner_the_user_itself_changes_the_schema() -> None:
    assert "owner" not in postgresql_connection(URI, "/p")
    assert "owner" not in postgresql_connection(URI, "/p", owner="mlflow")


def test_a_sqlite_uri_is_no_external_postgresql() -> None:
    with pytest.raises(BadInput, match="must be a PostgreSQL URI"):
        postgresql_connection("sqlite:////srv/mlflow.db", "/p")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("sqlite:////srv/mlflow.db", ["must be a connection", "not a str"]),
        ({}, ["lacks type and uri"]),
        ({"type": "sqlite"}, ["lacks uri"]),
        ({"type": "sqlite", "uri": "x", "pasword": "hunter2"}, ["unknown keys: pasword", "Known are"]),
        ({"type": "sqlite", "uri": "x", "env": "A=1"}, ["env and secrets"]),
        ({"type": "sqlite", "uri": "x", "secrets": {"A": "hunter2"}}, ["secrets.A", "never the secret itself"]),
        ({"type": "s3", "uri": "x", "port": "many"}, ["port"]),
    ],
)
def test_a_connection_that_is_none_is_refused_by_its_keys(value: Any, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        Connection.parse(value, "mlflow_server_database")
    message = str(refused.value)
    assert [word for word in ["mlflow_server_database", *words] if word not in message] == []
    assert "hunter2" not in message


def test_numbers_in_a_connection_may_be_strings() -> None:
    found = Connection.parse({"type": "s3", "uri": "s3://b", "port": "9000", "env": {"A": 1}}, "x")
    assert (found.port, dict(found.env)) == (9000, {"A": "1"})


def test_on_kubernetes_passwords_are_keys_of_a_secret() -> None:
    found = postgresql_connection(URI, "/unused", secret="db", owner="boss")
    assert found["secrets"] == {"PGPASSWORD": {"secret": "db", "key": "password"}}
    assert found["owner"]["secrets"] == {"PGPASSWORD": {"secret": "db", "key": "owner-password"}}
    assert "/unused" not in str(found)
    Connection.parse(found, "mlflow_database_connection")


def test_an_owner_may_have_a_secret_of_its_own() -> None:
    found = postgresql_connection(URI, secret="db", owner="boss", owner_secret="db-owner", owner_key="password")
    assert found["owner"]["secrets"] == {"PGPASSWORD": {"secret": "db-owner", "key": "password"}}


@pytest.mark.parametrize(("given", "told"), [("", None), (0, None), (200, 200), ("200", 200)])
def test_the_connections_that_a_database_offers_are_told_where_they_are_known(
    given: str | int, told: int | None
) -> None:
    found = postgresql_connection(URI, "/p", max_connections=given)
    assert found.get("max_connections") == told
    Connection.parse(found, "mlflow_database_connection")


def test_a_user_database_elsewhere_is_checked_and_gets_the_owner_too() -> None:
    found = postgresql_connection(URI, "/p", owner="boss", auth_uri="postgresql+psycopg://mlflow@users/people")
    assert found["auth_uri"] == "postgresql+psycopg://mlflow@users/people"
    assert found["owner"]["auth_uri"] == "postgresql+psycopg://boss@users/people"
    with pytest.raises(BadInput, match="mlflow_database_auth_uri"):
        postgresql_connection(URI, "/p", auth_uri="postgresql://mlflow@users/people")


@pytest.mark.parametrize(
    "key",
    [
        "access_mode", "claim", "create_bucket", "creates_secret", "requirements", "max_connections", "storage_class",
        "workloads",
    ],
)  # fmt: skip
def test_what_a_connection_tells_others_is_let_through(key: str) -> None:
    plain = {"type": "volume", "uri": "/mnt/artifacts"}
    assert Connection.parse({**plain, key: "x"}, "x") == Connection.parse(plain, "x")


@pytest.mark.parametrize("place", [{"secret": "a"}, {"key": "b"}, {"secret": "a", "key": "b", "file": "c"}, {}, None])
def test_a_secret_lies_in_a_file_or_under_the_key_of_a_secret_and_nowhere_else(place: Any) -> None:
    with pytest.raises(BadInput, match=r"secrets\.PGPASSWORD of x must be"):
        Connection.parse({"type": "a", "uri": "b", "secrets": {"PGPASSWORD": place}}, "x")
