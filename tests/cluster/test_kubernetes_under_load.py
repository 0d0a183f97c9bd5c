"""What clients notice while servers come, go, are killed, and while the database is away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.kubernetes import processes
from support.kubernetes.amounts import amounts
from support.kubernetes.client import RealClient
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl, eventually, is_ready, name, restarts
from support.kubernetes.load import Load, under_load

pytestmark = pytest.mark.cluster

THREADS = 4
# From the death of a process until no connection is sent to its pod any more.
NOTICED_SECONDS = 20.0


@pytest.fixture(autouse=True)
def rested(main: Deployment) -> None:
    """Each test begins with all servers ready."""
    main.wait_until_ready()


def replicas(deployment: Deployment) -> int:
    return int(deployment.kubectl.json("get", "deployment", "mlflow")["spec"]["replicas"])


def nothing_lost(seen: Load, deployment: Deployment) -> None:
    print(f"\n{seen}")
    assert seen.answers > 0
    assert seen.lost(deployment) == {}


def test_the_autoscaler_adds_servers_under_load_and_removes_them_without_a_failed_request(main: Deployment) -> None:
    eventually("two servers", lambda: replicas(main) == 2, 180)
    main.wait_until_ready(2)
    # So little that two servers of the tests' size have less than the autoscaler's target on a slow machine, too.
    with under_load(main, threads=1, pause=0.5) as trickle:
        with under_load(main, threads=6, pause=0) as flood:
            eventually("the autoscaler adds servers", lambda: replicas(main) > 2, 150)
            main.wait_until_ready()
            most = len(main.servers())
        eventually("the autoscaler removes them", lambda: replicas(main) == 2, 180)
        main.wait_until_ready(2)
    print(f"\n2 servers, {most} under load, 2 again")
    assert most > 2
    for seen in (flood, trickle):
        nothing_lost(seen, main)
        assert not seen.failures


@amounts(1, 5, "restarts")
def test_no_request_fails_while_all_servers_are_restarted(main: Deployment, amount: int) -> None:
    with under_load(main, THREADS) as seen:
        for _time in range(amount):
            before = {name(pod) for pod in main.servers()}
            main.play("restart").succeeded()
            assert not before & {name(pod) for pod in main.servers()}
    nothing_lost(seen, main)
    assert not seen.failures


@amounts(1, 10, "deletions")
def test_no_request_fails_while_half_of_the_servers_are_deleted(main: Deployment, amount: int) -> None:
    with under_load(main, THREADS) as seen:
        for _time in range(amount):
            pods = [name(pod) for pod in main.servers()]
            main.kubectl("delete", "pod", *pods[: len(pods) // 2])
            main.wait_until_ready()
    nothing_lost(seen, main)
    assert not seen.failures


@amounts(1, 10, "kills")
def test_a_killed_server_takes_only_its_requests_with_it_and_the_real_client_sees_no_error(
    main: Deployment, cluster: Kubectl, real_client: RealClient, amount: int
) -> None:
    processes.need_host_of(cluster)
    kills: list[float] = []
    with real_client.reading(main) as reader, under_load(main, THREADS) as seen:
        for _time in range(amount):
            victim = next(pod for pod in main.servers() if is_ready(pod))
            before = restarts([victim])
            kills.append(time.monotonic())
            processes.kill(victim)
            eventually("the server runs again", lambda: _restarts_of(main, name(victim)) > before)  # noqa: B023
            main.wait_until_ready()
            if amount > 1:
                _forget_crashes(main, victim)
    nothing_lost(seen, main)
    assert reader.reads > 0
    print(f"the real client had {reader.reads} answers and no error")
    assert sum(one.in_flight for one in seen.failures) <= THREADS * amount
    late = [one for one in seen.failures if not any(0 <= one.at - kill < NOTICED_SECONDS for kill in kills)]
    assert not late, f"failures long after the kill: {late}"


@amounts(1, 10, "kills")
def test_after_the_database_is_killed_servers_recover_by_themselves(
    main: Deployment, cluster: Kubectl, amount: int
) -> None:
    processes.need_host_of(cluster)
    before = _restarts_by_server(main)
    with under_load(main, THREADS) as seen:
        for _time in range(amount):
            killed = restarts([main.database()])
            processes.kill(main.database())
            eventually("the database is back", lambda: _database_is_back(main, killed), 150)  # noqa: B023
            main.wait_until_ready()
            _written_again(seen)
            if amount > 1:
                _forget_crashes(main, main.database())
                _written_again(seen)
    nothing_lost(seen, main)
    _no_server_was_restarted(main, before)


def test_while_the_database_is_away_no_server_is_ready_and_afterwards_all_are(main: Deployment) -> None:
    before = _restarts_by_server(main)
    with under_load(main, THREADS) as seen:
        with _database_away(main):
            main.kubectl("delete", "pod", "mlflow-database-0", "--grace-period=0", "--force")
            eventually("no server is ready", lambda: not any(map(is_ready, main.servers())), 90)
            assert not _addresses(main)
        main.wait_until_ready()
        eventually("the service has servers again", lambda: _addresses(main))
        _written_again(seen)
    nothing_lost(seen, main)
    _no_server_was_restarted(main, before)


def test_a_node_can_be_drained_of_servers_that_are_not_ready_because_the_database_is_away(
    main: Deployment, cluster: Kubectl
) -> None:
    pods = [name(pod) for pod in main.servers()]
    node = main.servers()[0]["spec"]["nodeName"]
    with _database_away(main):
        main.kubectl("delete", "pod", "mlflow-database-0", "--grace-period=0", "--force")
        eventually("no server is ready", lambda: not any(map(is_ready, main.servers())), 90)
        main.kubectl("label", "pod", *pods, "to-be-drained=true")
        try:
            drained = cluster(
                "drain", node, "--pod-selector=to-be-drained=true", "--delete-emptydir-data", "--timeout=120s"
            )
        finally:
            cluster("uncordon", node)
        assert all(f"pod/{pod} evicted" in drained for pod in pods), drained
        assert not set(pods) & {name(pod) for pod in main.servers()}
    main.wait_until_ready()


def _forget_crashes(deployment: Deployment, pod: dict[str, Any]) -> None:
    """A new pod for the next kill: the kubelet waits longer after each crash of the same one, minutes at last."""
    deployment.kubectl("delete", "pod", name(pod))
    eventually("the database is back", lambda: is_ready(deployment.database()), 150)
    deployment.wait_until_ready()


@contextlib.contextmanager
def _database_away(deployment: Deployment) -> Iterator[None]:
    deployment.kubectl("scale", "statefulset/mlflow-database", "--replicas=0")
    try:
        yield
    finally:
        deployment.kubectl("scale", "statefulset/mlflow-database", "--replicas=1")


def _database_is_back(deployment: Deployment, restarts_before: int) -> bool:
    pod = deployment.database()
    return restarts([pod]) > restarts_before and is_ready(pod)


def _written_again(seen: Load) -> None:
    before = seen.answers
    eventually("writes are answered again", lambda: seen.answers > before + 20)


def _restarts_of(deployment: Deployment, server: str) -> int:
    return restarts([pod for pod in deployment.servers() if name(pod) == server])


def _restarts_by_server(deployment: Deployment) -> dict[str, int]:
    return {name(pod): restarts([pod]) for pod in deployment.servers()}


def _no_server_was_restarted(deployment: Deployment, before: dict[str, int]) -> None:
    """Servers that the autoscaler added or removed meanwhile do not count."""
    after = _restarts_by_server(deployment)
    assert {server: after[server] for server in after if server in before} == {
        server: before[server] for server in after if server in before
    }
    assert sum(count for server, count in after.items() if server not in before) == 0


def _addresses(deployment: Deployment) -> list[str]:
    """Where the Service sends requests right now."""
    slices = deployment.kubectl.items("endpointslices", "--selector=kubernetes.io/service-name=mlflow")
    return [
        address
        for one in slices
        for endpoint in one.get("endpoints") or []
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
    ]
