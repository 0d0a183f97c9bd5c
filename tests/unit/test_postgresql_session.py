"""Sessions of a PostgreSQL that refuses at first."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import DatabaseUri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import postgresql_session
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_uri import PostgreSQLUri
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import DatabaseUnavailable

URI = "postgresql+psycopg2://mlflow@db:5432/mlflow"


class Refusing:
    """A driver whose first connections are refused."""

    def __init__(self, times: int, why: str = "Connection refused") -> None:
        self.left, self.why = times, why

    def install(self, patch: pytest.MonkeyPatch) -> None:
        driver: Any = types.ModuleType("psycopg2")
        driver.OperationalError = driver.Error = ConnectionError
        driver.connect = self.connect
        driver.sql = types.ModuleType("psycopg2.sql")
        patch.setitem(sys.modules, "psycopg2", driver)
        patch.setitem(sys.modules, "psycopg2.sql", driver.sql)
        patch.setattr(postgresql_session, "_RETRY_SECONDS", 0.01)

    def connect(self, *_arguments: Any, **_more: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise ConnectionError(self.why)
        return types.SimpleNamespace(close=lambda: None)


def ask() -> None:
    database = PostgreSQLUri.complete(DatabaseUri.read(URI, "uri"), "uri").limited()
    with postgresql_session.session(database, None):
        pass


def test_the_first_process_of_a_new_pod_waits_until_its_network_lets_it_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(postgresql_session.time, "monotonic", lambda: postgresql_session._BEGAN + 5)
    Refusing(3).install(monkeypatch)
    ask()


@pytest.mark.parametrize(
    ("pid", "age", "why"),
    [(4711, 5, "Connection refused"), (1, 30, "Connection refused"), (1, 5, "password authentication failed")],
)
def test_nobody_else_waits_and_nothing_else_is_waited_for(
    pid: int, age: float, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: pid)
    monkeypatch.setattr(postgresql_session.time, "monotonic", lambda: postgresql_session._BEGAN + age)
    Refusing(1, why).install(monkeypatch)
    with pytest.raises(Exception, match=why) as refused:
        ask()
    assert isinstance(refused.value, DatabaseUnavailable) == (why == "Connection refused")
