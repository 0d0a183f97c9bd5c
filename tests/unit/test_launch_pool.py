"""Launch: database connections. Threads must not wait for each other, and all must fit into the database."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from support.intents import AUTH, POSTGRESQL, SQLITE, computed, pool


@pytest.mark.parametrize(("profile", "threads"), [("light", 40), ("throughput", 2), ("full", 40)])
def test_every_thread_finds_a_connection_and_one_is_left(profile: str, threads: int) -> None:
    assert sum(pool(computed(profile=profile, database=POSTGRESQL))) > threads


@pytest.mark.parametrize("threads", [1, 2, 4, 7, 16, 64])
def test_the_pool_grows_with_the_threads(threads: int) -> None:
    kept, beyond = pool(computed(profile="throughput", database=POSTGRESQL, threads=threads))
    assert kept + beyond > threads
    assert kept >= 1 and beyond >= 1, "MLflow takes 0 for not set"


@pytest.mark.parametrize("auth", [None, AUTH])
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("spare", [0, 1, 7, 1000])
def test_what_the_pool_may_open_fits_into_what_the_database_allows(
    workers: int, auth: dict[str, object] | None, spare: int
) -> None:
    engines = 3 if auth else 2
    allowed = launch.connections_needed(workers, 40, 1, engines) + spare
    started = computed(profile="full", database=POSTGRESQL, auth=auth, workers=workers, max_connections=allowed)
    kept, beyond = pool(started)
    assert workers * (kept + beyond + kept * (engines - 1)) <= allowed
    assert kept + beyond > 40


def test_too_few_connections_are_refused_with_the_numbers_and_the_ways_out() -> None:
    needed = launch.connections_needed(4, 40, 1, 2)
    with pytest.raises(BadInput) as refused:
        computed(profile="full", database=POSTGRESQL, workers=4, max_connections=97)
    message = str(refused.value)
    for words in ("97 connections", "4 workers", "40 threads", str(needed), "mlflow_server_workers", "throughput"):
        assert words in message
    computed(profile="full", database=POSTGRESQL, workers=4, max_connections=needed)


def test_a_pool_that_can_deadlock_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadInput, match=r"is 40, but 40 threads can wait for each other below 41"):
        computed(profile="light", database=POSTGRESQL, pool_size=20, max_overflow=20)
    assert pool(computed(profile="light", database=POSTGRESQL, pool_size=20, max_overflow=21)) == (20, 21)


def test_sqlite_has_no_limit_of_connections() -> None:
    assert pool(computed(database=SQLITE, max_connections=5)) == pool(computed(database=SQLITE))


@pytest.mark.parametrize("servers", [2, 6, 11])
@pytest.mark.parametrize("auth", [None, AUTH])
@pytest.mark.parametrize(("profile", "threads"), [("throughput", 2), ("full", 40), ("light", 40)])
def test_all_servers_together_fit_and_each_leaves_one_connection_to_its_readiness_probe(
    profile: str, threads: int, auth: dict[str, object] | None, servers: int
) -> None:
    engines, workers = (3 if auth else 2), launch.PROFILES[profile].workers
    needed = servers * (launch.connections_needed(workers, threads, 1, engines) + 1)
    settings = {"profile": profile, "database": POSTGRESQL, "auth": auth, "servers": servers}
    kept, beyond = pool(computed(**settings, max_connections=needed))
    assert servers * (workers * (kept + beyond + kept * (engines - 1)) + 1) <= needed
    with pytest.raises(BadInput):
        computed(**settings, max_connections=needed - 1)


def test_too_few_connections_for_all_servers_are_refused_with_the_share_of_each() -> None:
    with pytest.raises(BadInput) as refused:
        computed(profile="full", database=POSTGRESQL, max_connections=187, servers=11)
    assert "allows 16 connections to this server (187 for 11 servers at most)" in str(refused.value)
    with pytest.raises(BadInput) as alone:
        computed(profile="full", database=POSTGRESQL, max_connections=50, servers=1)
    assert "allows 50 connections to this server, but" in str(alone.value)


def test_a_pool_given_by_hand_is_kept_whatever_the_share_is() -> None:
    assert pool(
        computed(profile="throughput", database=POSTGRESQL, pool_size=3, max_overflow=4, max_connections=10, servers=9)
    ) == (3, 4)


@pytest.mark.parametrize(("auth", "engines"), [(None, 3), (AUTH, 5)])
def test_the_fast_store_keeps_connections_of_its_own_which_are_counted(
    auth: dict[str, Any] | None, engines: int
) -> None:
    allowed = launch.connections_needed(2, 40, 1, engines)
    fast = {"profile": "full", "database": POSTGRESQL, "auth": auth, "fast_store": "on", "fast_store_dir": "/srv/fast"}
    computed(**fast, max_connections=allowed)
    with pytest.raises(BadInput):
        computed(**fast, max_connections=allowed - 1)
