"""What clients notice while servers stop, die, lose their zone, and while the database is away."""

from __future__ import annotations

import time

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker, inspect, is_healthy, kill_all
from support.kubernetes.amounts import amounts
from support.kubernetes.client import RealClient
from support.kubernetes.kubectl import eventually
from support.kubernetes.load import Failure, Load, under_load

pytestmark = pytest.mark.compose

THREADS = 4
# From a death until the load balancer sends nothing there any more.
NOTICED_SECONDS = 10.0


@pytest.fixture(autouse=True)
def rested(multi_az: Deployment) -> None:
    """Each test begins with all servers in rotation."""
    multi_az.wait_until_healthy()


def nothing_lost(seen: Load, deployment: Deployment) -> None:
    print(f"\n{seen}")
    assert seen.answers > 0
    assert seen.lost(deployment) == {}


def _more(seen: Load, amount: int = 20) -> None:
    before = seen.answers
    eventually("writes are answered", lambda: seen.answers > before + amount)


def _begun(seen: Load, since: float) -> list[Failure]:
    """Failures of requests that were asked since then: one that was in the zone when it was cut may end much later."""
    return [one for one in seen.failures if one.began >= since]


@amounts(2, 20, "stops")
def test_no_request_fails_while_servers_are_stopped_in_good_order(multi_az: Deployment, amount: int) -> None:
    with under_load(multi_az, THREADS, pause=0) as seen:
        for number in range(amount):
            server = multi_az.servers()[number % 2]
            docker("stop", server)
            _more(seen)
            docker("start", server)
            multi_az.wait_until_healthy()
    nothing_lost(seen, multi_az)
    assert not seen.failures


@amounts(2, 20, "kills")
def test_a_killed_server_takes_only_its_requests_with_it_and_the_real_client_sees_no_error(
    multi_az: Deployment, real_client: RealClient, amount: int
) -> None:
    kills: list[float] = []
    with real_client.reading(multi_az) as reader, under_load(multi_az, THREADS, pause=0) as seen:
        for number in range(amount):
            server = multi_az.servers()[number % 2]
            before = inspect(server)["State"]["StartedAt"]
            kills.append(time.monotonic())
            kill_all(server)
            eventually("it was started again", lambda: inspect(server)["State"]["StartedAt"] != before)  # noqa: B023
            multi_az.wait_until_healthy()
    nothing_lost(seen, multi_az)
    print(f"{len(seen.failures)} requests failed in {amount} kills; the real client had {reader.reads} answers")
    assert reader.reads > 0
    assert len(seen.failures) <= THREADS * amount
    assert all(one.in_flight for one in seen.failures), seen.failures
    late = [one for one in seen.failures if not any(0 <= one.at - kill < NOTICED_SECONDS for kill in kills)]
    assert not late, f"failures long after the kill: {late}"


def test_no_request_fails_while_all_servers_are_restarted(multi_az: Deployment) -> None:
    before = {server: inspect(server)["Id"] for server in multi_az.servers()}
    with under_load(multi_az, THREADS) as seen:
        multi_az.play("restart").succeeded()
    assert all(inspect(server)["Id"] != before[server] for server in before)
    nothing_lost(seen, multi_az)
    assert not seen.failures


def test_no_request_fails_while_a_changed_wish_is_rolled_out(multi_az: Deployment) -> None:
    with under_load(multi_az, THREADS) as seen:
        assert multi_az.deploy(mlflow_server_env={"TZ": "UTC"}).succeeded().stats["changed"]
    assert all('"TZ": "UTC"' in docker("exec", one, "cat", "/etc/mlflow/launch.json") for one in multi_az.servers())
    multi_az.variables["mlflow_server_env"] = {"TZ": "UTC"}
    nothing_lost(seen, multi_az)
    assert not seen.failures


def test_no_request_fails_while_servers_are_added_and_removed(multi_az: Deployment) -> None:
    with under_load(multi_az, THREADS) as seen:
        multi_az.play("scale", mlflow_server_replicas=3).succeeded()
        assert multi_az.servers() == [f"t-multi-server-{number}" for number in (1, 2, 3)]
        multi_az.wait_until_healthy()
        _more(seen)
        multi_az.play("scale", mlflow_server_replicas=2).succeeded()
    nothing_lost(seen, multi_az)
    assert not seen.failures
    assert multi_az.servers() == ["t-multi-server-1", "t-multi-server-2"]
    assert "t-multi-server-3-scratch" not in docker("volume", "ls", "--quiet").split()
    # It has taken over its configuration twice.
    kill_all("t-multi-load-balancer")
    eventually("the load balancer is back", lambda: is_healthy("t-multi-load-balancer"), 60)


@amounts(1, 10, "kills")
def test_after_the_database_is_killed_servers_recover_by_themselves(multi_az: Deployment, amount: int) -> None:
    before = {name: at for name, at in multi_az.started().items() if name != multi_az.database()}
    with under_load(multi_az, THREADS) as seen:
        for _time in range(amount):
            kill_all(multi_az.database())
            eventually("the database is back", lambda: is_healthy(multi_az.database()), 120)
            _more(seen)
            time.sleep(2)
    multi_az.wait_until_healthy()
    nothing_lost(seen, multi_az)
    assert {name: at for name, at in multi_az.started().items() if name in before} == before


def test_a_database_that_is_restarted_loses_nothing(multi_az: Deployment) -> None:
    with under_load(multi_az, THREADS) as seen:
        docker("restart", multi_az.database())
        _more(seen)
    multi_az.wait_until_healthy()
    nothing_lost(seen, multi_az)


def test_a_zone_that_is_cut_off_is_noticed_and_the_other_goes_on_serving(
    multi_az: Deployment, real_client: RealClient
) -> None:
    cut = {"mlflow_zone": "a", "mlflow_zone_state": "cut"}
    with real_client.reading(multi_az) as reader, under_load(multi_az, THREADS) as seen:
        said = multi_az.play("zone_outage", **cut).succeeded()
        assert "Zone a is cut off; healthy" in said.of("Report what became of the zone")["msg"]
        assert inspect("t-multi-server-1")["NetworkSettings"]["Networks"] == {}
        eventually(
            "the load balancer has noticed", lambda: multi_az.seen_by_load_balancer("t-multi-server-1") != "UP", 30
        )
        _more(seen, 200)
        noticed = time.monotonic()
        health = multi_az.play("health")
        assert health.code and "t-multi-server-1 is cut off" in health.message
        _more(seen, 200)
        assert not _begun(seen, noticed), "the load balancer sent requests into the zone after it had noticed"
        said = multi_az.play("zone_outage", mlflow_zone="a", mlflow_zone_state="healed").succeeded()
        assert "Zone a is healed; healthy" in said.of("Report what became of the zone")["msg"]
        assert multi_az.seen_by_load_balancer("t-multi-server-1") == "UP"
        healed = time.monotonic()
        _more(seen, 200)
        assert not _begun(seen, healed), "requests failed after the zone was healed"
    print(f"{len(seen.failures)} requests failed; the real client had {reader.reads} answers")
    nothing_lost(seen, multi_az)
    assert len(seen.failures) <= THREADS
    assert multi_az.deploy().succeeded().stats["changed"] == 0
    multi_az.play("health").succeeded()


def test_a_front_that_stays_dead_is_named_and_started_before_servers_are_taken_away(multi_az: Deployment) -> None:
    docker("kill", "t-multi-load-balancer")  # as if by hand: the engine does not start it again
    health = multi_az.play("health")
    assert health.code and "unhealthy at level deep" in health.message
    assert "t-multi-load-balancer is exited, exit status 137" in str(health.of("Show each check")["msg"])
    networks = inspect("t-multi-server-1")["NetworkSettings"]["Networks"].keys()
    cut = multi_az.play("zone_outage", mlflow_zone="a", mlflow_zone_state="cut")
    assert (
        cut.code and cut.message.startswith("Not running: t-multi-load-balancer. Deploy") and not cut.stats["changed"]
    )
    assert inspect("t-multi-server-1")["NetworkSettings"]["Networks"].keys() == networks
    before = multi_az.started()
    restarted = multi_az.play("restart").succeeded()
    assert restarted.of("Start the load balancer if it does not run")["started"]
    after = multi_az.started()
    assert after["t-multi-load-balancer"] < min(after[server] for server in multi_az.servers())
    assert all(after[server] != before[server] for server in multi_az.servers())
    multi_az.wait_until_healthy()


def test_a_zone_is_cut_only_where_there_is_one(multi_az: Deployment) -> None:
    refused = multi_az.play("zone_outage", mlflow_zone="c", mlflow_zone_state="cut")
    assert refused.code and "Say which zone (a or b)" in refused.message
