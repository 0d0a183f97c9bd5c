"""Several servers start at once on a database that is empty, and none of them crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.kubernetes import first_starts
from support.kubernetes.amounts import amounts
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import restarts

pytestmark = pytest.mark.cluster

SERVERS = 3


@pytest.fixture(scope="module")
def three(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-starts",
        mlflow_server_replicas=SERVERS,
        mlflow_server_max_replicas=SERVERS,
        cluster_prerequisites_quota=False,  # the servers of the comparison come on top
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_three_servers_deployed_from_nothing_start_without_a_crash(three: Deployment) -> None:
    assert len(three.servers()) == SERVERS
    assert restarts(three.kubectl.items("pods")) == 0


@amounts(2, 19, "first starts")
def test_no_first_start_of_three_servers_crashes(three: Deployment, amount: int) -> None:
    seconds = []
    for _time in range(amount):
        seconds.append(first_starts.start_over(three, SERVERS))
        assert len(three.servers()) == SERVERS
        assert first_starts.ask_all_at_once(three) == [200] * SERVERS
        assert three.sql("SELECT count(*) FROM experiments") == "1"
        assert restarts(three.servers()) == 0
    print(f"\n{amount} first starts of {SERVERS} servers took {min(seconds):.0f} to {max(seconds):.0f} s, 0 restarts")


def test_for_comparison_plain_servers_on_an_empty_database(three: Deployment) -> None:
    crashes, ready = first_starts.naive(three, SERVERS)
    print(f"\n{SERVERS} plain `mlflow server` on an empty database: {crashes} crashes; {ready} ready within 75 s")
