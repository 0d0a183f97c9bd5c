"""Connections and database URIs: exactly those that MLflow runs on without a surprise."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import Connection
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import cratedb_repository_settings, kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_connection import (
    postgresql_connection,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import cloud
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.connection import bucket

URI = "postgresql+psycopg://mlflow@db.example.com/mlflow"
LIMITS = "connect_timeout=10&tcp_user_timeout=15000&keepalives_idle=30&keepalives_interval=10&keepalives_count=3"


def test_a_postgresql_uri_is_taken_apart() -> None:
    found = kinds.parse("postgresql+psycopg2://me@db:6432/tracking?sslmode=require")
    assert (found.user, found.host, found.port, found.database) == ("me", "db", 6432, "tracking")
    assert found.package == "psycopg2-binary"
    assert kinds.parse(URI).port == 5432
    assert kinds.parse(URI).package == "psycopg[binary]"


def test_the_folder_of_a_unix_socket_serves_as_host() -> None:
    assert kinds.parse("postgresql+psycopg://me@/mlflow?host=/run/postgresql").host == "/run/postgresql"


def test_a_sqlite_uri_gives_its_absolute_path() -> None:
    found = kinds.parse("sqlite:////srv/mlflow/mlflow.db")
    assert (found.path, found.package) == ("/srv/mlflow/mlflow.db", None)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("postgresql://mlflow@db/mlflow", ["names no driver", "postgresql+psycopg, postgresql+psycopg2"]),
        ("postgres://mlflow@db/mlflow", ["'postgres'", "not offered", "postgresql+psycopg"]),
        ("postgres+psycopg://mlflow@db/mlflow", ["'postgres+psycopg'", "not offered"]),
        ("postgresql+asyncpg://mlflow@db/mlflow", ["'postgresql+asyncpg'", "not offered", "postgresql+psycopg"]),
        ("postgresql+psycopg://db/mlflow", ["must name user, host and database"]),
        ("postgresql+psycopg://mlflow@db/", ["must name user, host and database"]),
        ("postgresql+psycopg://mlflow@db:port/mlflow", ["not a valid URI"]),
        ("postgresql+psycopg://mlflow@db/ml#flow", ["holds a #", "%23"]),
        ("postgresql+psycopg://mlflow@db/100%", ["encodes nothing", "%25"]),
        ("postgresql+psycopg://mlflow@%2Frun%2Fpostgresql/mlflow", ["?host=/run/postgresql"]),
        ("postgresql+psycopg://mlflow@db/mlflow?dbname=other", ["dbname", "a place of its own"]),
        ("postgresql+psycopg://mlflow@/d?host=db&port=x", ["port 'x'", "1 and 65535"]),
        ("postgresql+psycopg://mlflow@/d?host=db&port=99999", ["port '99999'"]),
        ("postgresql+psycopg://mlflow@db/d?host=a:" + "9" * 5000, ["1 and 65535"]),
        ("postgresql+psycopg://mlflow@d b/mlflow", ["a space in its host"]),
        ("postgresql+psycopg://mlflow@db/mlflow\n", ["cannot be seen"]),
        ("postgresql+psycopg://mlflow@db/d?sslmode=verify", ["sslmode=verify", "verify-full"]),
        ("postgresql+psycopg://mlflow@db/d?connect_timeout=soon", ["connect_timeout=soon", "whole number"]),
        ("sqlite:////srv/a\nb.db", ["cannot be seen"]),
        ("sqlite:////srv/a%00b.db", ["no file that can be"]),
        ("sqlite:////srv/", ["names a folder"]),
        ("sqlite:////srv/what?/mlflow.db", ["a ? in a path ends it"]),
        ("sqlite:////srv/mlflow.db?mode=ro", ["the option mode"]),
        ("sqlite:////srv/mlflow.db?uri=true", ["the option uri"]),
        ("sqlite+pysqlcipher:////srv/mlflow.db", ["pysqlcipher", "not offered"]),
        ("crate://u@h/?schema=a&schema=b", ["says something twice"]),
        ("crate://u@h/?schema=m&ssl=maybe", ["neither true nor false"]),
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
        kinds.parse(uri, "mlflow_database_uri")
    assert [word for word in ["mlflow_database_uri", *words] if word not in str(refused.value)] == []


@pytest.mark.parametrize("password", ["hunter2", "p%40ss", ""])
def test_a_password_inside_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(BadInput) as refused:
        kinds.parse(f"postgresql+psycopg://mlflow:{password}@db/mlflow")
    assert "holds a password" in str(refused.value)
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg://mlflow@db/mlflow?password=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?sslmode=require&PassWord=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?%70assword=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?pass%57ord=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?passfile=/hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?sslpassword=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?conninfo=password%3Dhunter2",
        "postgresql+psycopg2://mlflow@db/mlflow?dsn=password%3Dhunter2",
        "postgresql+psycopg://mlflow@db/mlflow?oauth_client_secret=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow?a=b;password=hunter2",
        "postgresql+psycopg://mlflow@db/mlflow#password=hunter2",
        "postgresql+psycopg://mlflow%3Ahunter2@db/mlflow",
        "postgresql+psycopg://:hunter2@db/mlflow?user=mlflow",
        "sqlite:////srv/mlflow.db?password=hunter2",
    ],
)
def test_a_password_in_any_part_of_a_uri_is_refused_and_not_repeated(uri: str) -> None:
    for refusing in (
        lambda: kinds.parse(uri, "mlflow_database_uri"),
        lambda: Connection.parse({"type": "x", "uri": uri}, "x"),
        lambda: postgresql_connection(URI, "/p", auth_uri=uri),
    ):
        with pytest.raises(BadInput) as refused:
            refusing()
        assert "a password" in str(refused.value) and "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://key:hunter2@bucket/prefix",
        "s3://key:h/hunter2@bucket/prefix",
        "s3://key:h?hunter2@bucket/prefix",
        "s3://bucket?secret_key=hunter2",
        "s3://bucket/x?AWSAccessKeyId=a&Signature=hunter2",
        "wasbs://c@a.blob.example/x?sig=hunter2",
    ],
)
def test_so_is_one_in_the_uri_of_a_store(uri: str) -> None:
    for refusing in (
        lambda: Connection.parse({"type": "external_s3", "uri": uri}, "x"),
        lambda: bucket(uri, "r"),
        lambda: cratedb_repository_settings.compute("m", uri=uri, secret="s"),
        lambda: cloud.Place(uri),
    ):
        with pytest.raises(BadInput) as refused:
            refusing()
        assert "a password" in str(refused.value) and "hunter2" not in str(refused.value)


@pytest.mark.parametrize("endpoint", ["https://key:hunter2@s3.example.com", "https://a.blob.example/?sv=1&sig=hunter2"])
def test_so_is_one_in_the_endpoint_of_a_store(endpoint: str) -> None:
    for refusing in (
        lambda: bucket("s3://models", "r", endpoint),
        lambda: cratedb_repository_settings.compute("m", uri="s3://models/p", endpoint=endpoint, secret="s"),
        lambda: cloud.Place("s3://models", endpoint),
    ):
        with pytest.raises(BadInput) as refused:
            refusing()
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "wasbs://c@a.blob.core.windows.net/x", "/srv/my?token=x", "s3://bucket/key/of:it", "https://a:9000/models@1",
        "https://[fd00::5]:9000/models@1", "s3://bucket/model@1:2", "sqlite:////srv/a:b@c/mlflow.db",
    ],
)  # fmt: skip
def test_a_store_without_one_is_taken(uri: str) -> None:
    assert Connection.parse({"type": "x", "uri": uri}, "x").uri == uri


def test_a_uri_of_postgresql_notices_a_connection_that_was_cut() -> None:
    limited = kinds.parse(URI).limited()
    assert limited.uri == f"{URI}?{LIMITS}"
    assert limited.libpq == f"postgresql://mlflow@db.example.com/mlflow?{LIMITS}" == kinds.parse(URI).libpq
    assert kinds.parse(limited.uri).limited() == limited


def test_what_a_uri_says_of_that_itself_stays() -> None:
    given = "sslmode=require&tcp_user_timeout=5000&connect_timeout=3"
    limited = kinds.parse(f"{URI}?{given}").limited().uri
    assert limited == f"{URI}?{given}&keepalives_idle=30&keepalives_interval=10&keepalives_count=3"
    assert "keepalives_" not in kinds.parse(f"{URI}?keepalives=0").limited().uri
    sqlite = "sqlite:////srv/mlflow.db"
    assert kinds.parse(sqlite).limited().uri == sqlite


def test_parts_are_decoded_once_and_encoded_once() -> None:
    uri = kinds.parse("postgresql+psycopg://my%20user%2Fa@db/my%2Ddb%3F?options=-c%20search_path%3Da+b")
    assert (uri.user, uri.database) == ("my user/a", "my-db?")
    assert uri.query == (("options", "-c search_path=a b"),)
    other = uri.replace(user="the owner@home", database="100% mine")
    assert (other.user, other.database) == ("the owner@home", "100% mine")
    assert kinds.parse(other.uri) == other
    assert other.libpq.startswith("postgresql://the%20owner%40home@db/100%25%20mine?options=-c%20search_path%3Da%20b&")
    assert kinds.parse("sqlite:////srv/my%20flow/a%23b.db").path == "/srv/my flow/a#b.db"


def test_several_hosts_are_written_as_each_reader_wants_them() -> None:
    uri = kinds.parse("postgresql+psycopg://me@/mlflow?host=a:6432&host=b&target_session_attrs=read-write")
    assert (uri.host, uri.port) == ("a", 6432)
    assert uri.libpq.endswith("&host=a,b&port=6432,5432")
    assert uri.limited().uri.startswith("postgresql+psycopg://me@/mlflow?host=a:6432&host=b&target_session")


def test_another_user_and_another_database_of_the_same_server() -> None:
    uri = kinds.parse("postgresql+psycopg://mlflow@db:6432/mlflow?sslmode=require")
    assert uri.replace(user="owner", database="other").uri == (
        "postgresql+psycopg://owner@db:6432/other?sslmode=require"
    )


def test_an_external_postgresql_becomes_a_connection_with_an_owner_and_a_user_database() -> None:
    found = postgresql_connection(URI, "/p", owner="boss", owner_password_file="/o")
    assert found["uri"] == f"{URI}?{LIMITS}"
    assert found["auth_uri"] == f"{URI}_auth?{LIMITS}"
    assert found["secrets"] == {"PGPASSWORD": {"file": "/p"}}
    assert found["owner"] == {
        "uri": f"postgresql+psycopg://boss@db.example.com/mlflow?{LIMITS}",
        "auth_uri": f"postgresql+psycopg://boss@db.example.com/mlflow_auth?{LIMITS}",
        "secrets": {"PGPASSWORD": {"file": "/o"}},
    }
    Connection.parse(found, "mlflow_database_connection")  # what the role sets is what launch accepts


def test_without_an_owner_the_user_itself_changes_the_schema() -> None:
    assert "owner" not in postgresql_connection(URI, "/p")
    assert "owner" not in postgresql_connection(URI, "/p", owner="mlflow")


def test_a_sqlite_uri_is_no_external_postgresql() -> None:
    for uri, auth_uri in (("sqlite:////srv/mlflow.db", ""), (URI, "sqlite:////srv/mlflow.db")):
        with pytest.raises(BadInput, match="must be a PostgreSQL URI"):
            postgresql_connection(uri, "/p", auth_uri=auth_uri)


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
    assert found["auth_uri"] == f"postgresql+psycopg://mlflow@users/people?{LIMITS}"
    assert found["owner"]["auth_uri"] == f"postgresql+psycopg://boss@users/people?{LIMITS}"
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


@pytest.mark.parametrize("port", ["²", "٣x", "-1", "9" * 5000, "1e3", [5432]])
def test_the_port_of_a_connection_is_a_number_that_everybody_reads(port: Any) -> None:
    with pytest.raises(BadInput, match="port of x must be a whole number"):
        Connection.parse({"type": "a", "uri": "b", "port": port}, "x")


@pytest.mark.parametrize("place", [{"secret": "a"}, {"key": "b"}, {"secret": "a", "key": "b", "file": "c"}, {}, None])
def test_a_secret_lies_in_a_file_or_under_the_key_of_a_secret_and_nowhere_else(place: Any) -> None:
    with pytest.raises(BadInput, match=r"secrets\.PGPASSWORD of x must be"):
        Connection.parse({"type": "a", "uri": "b", "secrets": {"PGPASSWORD": place}}, "x")


def test_a_file_whose_name_means_something_in_a_uri_is_the_one_that_is_read(tmp_path: Path) -> None:
    file = tmp_path / "50%41 #1?.db"
    with contextlib.closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE runs (id)")
    found = kinds.database(f"sqlite:///{quote(str(file))}")
    assert found.contents("alembic_version").tables == ["runs"] and found.rows() == {"runs": 0}


def test_cratedb_on_an_address_of_ipv6_is_asked_there() -> None:
    assert getattr(kinds.parse("crate://u@[fd00::5]/?schema=m"), "origin", "") == "http://[fd00::5]:4200"
