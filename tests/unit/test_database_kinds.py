"""Kinds of databases: the dialect of a URI names one, and nobody outside its class asks which it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.base import Database
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb import CrateDB
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql import PostgreSQL
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.sqlite import SQLite
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "plugins" / "module_utils" / "_engine"
SQLITE = "sqlite:////srv/mlflow/mlflow.db"
POSTGRESQL = "postgresql+psycopg://mlflow@db.example.com/mlflow"
CRATEDB = "crate://mlflow@db.example.com:4200/?schema=mlflow"
STAMP = "20261125210000123"


@pytest.mark.parametrize(("uri", "kind"), [(SQLITE, SQLite), (POSTGRESQL, PostgreSQL), (CRATEDB, CrateDB)])
def test_the_dialect_of_a_uri_names_the_kind(uri: str, kind: type[Database]) -> None:
    found = kinds.database(uri)
    assert type(found) is kind
    assert found.kind == uri.partition(":")[0].partition("+")[0], "snapshots are named by it"


@pytest.mark.parametrize(
    "uri", ["mysql+pymysql://mlflow@db/mlflow", "cockroachdb://mlflow@db/mlflow", "oracle://me@db/x"]
)
def test_an_unknown_dialect_is_refused_with_those_that_are_offered(uri: str) -> None:
    with pytest.raises(BadInput) as refused:
        kinds.database(uri, name="mlflow_database_uri")
    assert str(refused.value) == (
        f"mlflow_database_uri starts with '{uri.partition(':')[0]}', which is not offered. "
        f"Offered: sqlite, postgresql+psycopg, postgresql+psycopg2, crate."
    )


def test_who_writes_its_files_is_told_their_folders() -> None:
    assert kinds.database(SQLITE).folders() == ["/srv/mlflow"]
    assert kinds.database(POSTGRESQL).folders() == [], "servers elsewhere reach it, too"


def test_no_password_shows_in_what_a_database_says_of_itself() -> None:
    assert "hunter2" not in repr(kinds.database(POSTGRESQL, "hunter2"))


def test_a_program_that_asks_no_database_needs_no_driver() -> None:
    names = ["psycopg", "psycopg2", "sqlalchemy", "mlflow"]
    script = f"""
import sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import kinds
kinds.database({POSTGRESQL!r}).alongside("before", {STAMP!r})
print(sorted(set({names}) & set(sys.modules)))
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT / ".dev")}
    said = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize(
    ("uri", "name"),
    [(SQLITE, f"/srv/mlflow/mlflow.db.before-{STAMP}"), (POSTGRESQL, f"mlflow_before_{STAMP}")],
)
def test_what_a_restore_puts_alongside_is_known_by_its_name(uri: str, name: str) -> None:
    database = kinds.database(uri)
    assert database.alongside("before", STAMP) == name
    assert database.stamp_of(name, "before") == STAMP
    assert database.stamp_of(name, "restoring") is None
    for other in (database.live, name + "0", name[:-1], f"other{name}", name[:-1] + "x", name[:-1] + "\u0663"):
        assert database.stamp_of(other, "before") is None, other
    assert database.named(name).live == name


@pytest.mark.parametrize("act", ["restoring", "drill", "before"])
def test_a_long_name_is_cut_where_postgresql_would_cut_it_and_still_known(act: str) -> None:
    database = kinds.database(f"postgresql+psycopg2://mlflow@db/{'m' * 63}")
    name = database.alongside(act, STAMP)
    assert len(name) == 63
    assert database.stamp_of(name, act) == STAMP


def test_nobody_outside_its_class_asks_which_kind_a_database_is() -> None:
    """Neither the class, nor what only one kind has: C(path) of a URI, or its dialect."""
    asks = re.compile(
        r"\.path is (not )?None|dialect\w* (==|!=|in) |['\"](sqlite|postgresql)['\"]"
        r"|isinstance\(.*(SQLite|PostgreSQL)\)"
        r"|database import .*\b(sqlite|postgresql)\b|database\.(sqlite|postgresql\w*) import"
    )
    own = re.compile(r"database/(sqlite|postgresql\w*|kinds)\.py")
    asking = {str(path.relative_to(ENGINE)) for path in ENGINE.rglob("*.py") if asks.search(path.read_text())}
    # Where URIs are taken apart, before there is a database.
    assert {name for name in asking if not own.fullmatch(name)} == {"connection.py", "standalone/stored_keys.py"}


def test_what_a_uri_means_is_said_by_its_kind_alone() -> None:
    assert not re.search(r"dialect\s*(==|!=|in\b)", (ENGINE / "connection.py").read_text())
    assert kinds.parse("sqlite:////srv/my%20flow/mlflow.db").path == "/srv/my flow/mlflow.db"
    assert kinds.parse(POSTGRESQL).port == 5432 and kinds.parse(POSTGRESQL).path is None
