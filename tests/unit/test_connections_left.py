"""Connections that nobody holds any more count as open until PostgreSQL has missed them: they are waited for."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import postgresql
from support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(postgresql, "time", clock)
    return clock


def test_what_a_cut_zone_left_is_waited_for(clock: Clock) -> None:
    assert postgresql._after_a_while(lambda: ["mlflow", "mlflow"] if clock.now < 31 else []) == []
    assert clock.now == 31


def test_who_is_really_there_is_named_in_the_end(clock: Clock) -> None:
    assert postgresql._after_a_while(lambda: ["mlflow (psql)"]) == ["mlflow (psql)"]
    assert 30 < clock.now < 60


def test_where_nobody_is_nothing_is_waited_for(clock: Clock) -> None:
    assert postgresql._after_a_while(list) == []
    assert clock.now == 0
