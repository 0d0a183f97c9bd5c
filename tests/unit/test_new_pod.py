"""Databases that refuse at first, as the network of a new pod does."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import DatabaseUri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import (
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


BOTH = pytest.mark.parametrize("ask", [ask_postgresql, ask_cratedb], ids=["PostgreSQL", "CrateDB"])


@BOTH
def test_the_first_process_of_a_new_pod_waits_until_its_network_lets_it_through(
    ask: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(new_pod.time, "monotonic", lambda: new_pod._BEGAN + 5)
    Refusing(3).install(monkeypatch)
    ask()


@BOTH
@pytest.mark.parametrize(
    ("pid", "age", "why"),
    [(4711, 5, "Connection refused"), (1, 30, "Connection refused"), (1, 5, "password authentication failed")],
)
def test_nobody_else_waits_and_nothing_else_is_waited_for(
    ask: Callable[[], None], pid: int, age: float, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: pid)
    monkeypatch.setattr(new_pod.time, "monotonic", lambda: new_pod._BEGAN + age)
    Refusing(1, why).install(monkeypatch)
    with pytest.raises(Exception, match=why) as refused:
        ask()
    # CrateDB says with an answer who may not, and never by cutting the connection.
    unavailable = why == "Connection refused" or ask is ask_cratedb
    assert isinstance(refused.value, DatabaseUnavailable) == unavailable
