"""Databases that refuse at first, as the network of a new pod does."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import DatabaseUri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import (
    changes,
    cratedb_session,
    new_pod,
    postgresql_session,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb_uri import CrateDBUri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_uri import PostgreSQLUri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import DatabaseUnavailable, ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client

POSTGRESQL = "postgresql+psycopg2://mlflow@db:5432/mlflow"
CRATEDB = "crate://mlflow@db:4200/?schema=mlflow"


class Refusing:
    """A driver, and a client of HTTP, whose first connections are refused."""

    def __init__(self, times: int, why: str = "Connection refused") -> None:
        self.left, self.why = times, why

    def install(self, patch: pytest.MonkeyPatch) -> None:
        driver: Any = types.ModuleType("psycopg2")
        driver.OperationalError = driver.Error = ConnectionError
        driver.connect = self.connect
        driver.sql = types.ModuleType("psycopg2.sql")
        patch.setitem(sys.modules, "psycopg2", driver)
        patch.setitem(sys.modules, "psycopg2.sql", driver.sql)
        patch.setattr(Client, "request", self.request)
        patch.setattr(new_pod, "_RETRY_SECONDS", 0.01)

    def connect(self, *_arguments: Any, **_more: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise ConnectionError(self.why)
        return types.SimpleNamespace(close=lambda: None)

    def request(self, *_arguments: Any, **_more: Any) -> Any:
        try:
            self.connect()
        except ConnectionError as error:
            raise ServerError(str(error)) from error
        return types.SimpleNamespace(status=200, json=lambda: {"rows": []})


def ask_postgresql() -> None:
    database = PostgreSQLUri.complete(DatabaseUri.read(POSTGRESQL, "uri"), "uri").limited()
    with postgresql_session.session(database, None):
        pass


def ask_cratedb() -> None:
    with cratedb_session.session(CrateDBUri.complete(DatabaseUri.read(CRATEDB, "uri"), "uri"), None) as statements:
        statements.run("SELECT 1")


def ask_as_migrations_do() -> None:
    driver: Any = sys.modules["psycopg2"]
    with changes._mlflow_quiet():
        changes._connected(types.SimpleNamespace(connect=driver.connect))


BOTH = pytest.mark.parametrize("ask", [ask_postgresql, ask_cratedb], ids=["PostgreSQL", "CrateDB"])


def container_since(seconds: float, proc: Path, patch: pytest.MonkeyPatch) -> None:
    """Where the first process, whose name may hold anything, began so long ago."""
    (proc / "1").mkdir()
    (proc / "uptime").write_text("5000.25 9000.00\n")
    began = int((5000.25 - seconds) * os.sysconf("SC_CLK_TCK"))
    (proc / "1" / "stat").write_text(f"1 (a) R (b) S 0 {'7 ' * 17}{began} 100 200\n")
    patch.setattr(new_pod, "_PROC", proc)


@pytest.mark.parametrize("ask", [ask_postgresql, ask_cratedb, ask_as_migrations_do])
@pytest.mark.parametrize("why", ["Connection refused", "No route to host"])
def test_who_asks_in_a_new_pod_waits_until_its_network_lets_it_through(
    ask: Callable[[], None], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_since(5, tmp_path, monkeypatch)
    Refusing(3, why).install(monkeypatch)
    ask()


@BOTH
def test_so_does_a_process_that_the_first_one_has_made(
    ask: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_since(5, tmp_path, monkeypatch)
    Refusing(3).install(monkeypatch)
    child = os.fork()
    if child == 0:
        try:
            ask()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@BOTH
@pytest.mark.parametrize(
    ("seconds", "why"),
    [(30, "Connection refused"), (-5, "Connection refused"), (5, "password authentication failed")],
)
def test_nobody_waits_elsewhere_and_nothing_else_is_waited_for(
    ask: Callable[[], None], seconds: float, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_since(seconds, tmp_path, monkeypatch)
    Refusing(1, why).install(monkeypatch)
    with pytest.raises(Exception, match=why) as refused:
        ask()
    # CrateDB says with an answer who may not, and never by cutting the connection.
    unavailable = why == "Connection refused" or ask is ask_cratedb
    assert isinstance(refused.value, DatabaseUnavailable) == unavailable


@BOTH
def test_nobody_waits_where_no_proc_says_how_old_anything_is(
    ask: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_pod, "_PROC", tmp_path / "none")
    Refusing(1).install(monkeypatch)
    with pytest.raises(DatabaseUnavailable, match="Connection refused"):
        ask()
