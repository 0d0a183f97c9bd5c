"""Profile throughput: 50 clients with slow lines hold nobody up, and get what they came for."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from support.databases import Databases
from support.environments import Environments
from support.servers import API, RunningServer, transfers_apart
from support.slow_clients import p99, slow_clients

STORED = b"slow" * (1 << 20)
# Other tests of a busy machine cost single requests more than any slow client does: one quiet round is enough.
ROUNDS = 4


@pytest.fixture(scope="module")
def server(
    environments: Environments,
    databases: Databases,
    run_server: Callable[..., RunningServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> RunningServer:
    settings = transfers_apart(tmp_path_factory.mktemp("plugins"))
    running = run_server(environments.slim, "throughput", databases.connection(databases.copy("slow")), **settings)
    stored = running.artifacts / "slow" / "stored"
    stored.parent.mkdir()
    stored.write_bytes(STORED)
    return running


@pytest.mark.parametrize("upload", [True, False], ids=["uploads", "downloads"])
def test_fifty_slow_clients_hold_nobody_up(server: RunningServer, upload: bool) -> None:
    with slow_clients(server.port, 50, upload=upload, body=STORED) as clients:
        report = server.check("deep")
        assert report.healthy, report.verdict
        client = Client(server.server())
        try:
            for _turn in range(20):
                client.post(f"{API}/experiments/search", {"max_results": 1})
        finally:
            client.close()
        assert all(one.thread.is_alive() for one in clients), "they were under way all the time"
    assert {one.status for one in clients} == {b"HTTP/1.1 200 OK"}
    if upload:
        for number in range(50):
            assert (server.artifacts / "slow" / str(number)).read_bytes() == STORED


def test_the_apis_p99_stays_within_twice_its_own_beside_a_hundred_slow_clients(server: RunningServer) -> None:
    client = Client(server.server())
    search = lambda: client.post(f"{API}/experiments/search", {"max_results": 1})  # noqa: E731
    seen = []
    try:
        for _round in range(ROUNDS):
            alone = p99(search)
            with (
                slow_clients(server.port, 50, upload=True, body=STORED) as up,
                slow_clients(server.port, 50, upload=False, body=STORED) as down,
            ):
                beside = p99(search)
                assert all(one.thread.is_alive() for one in (*up, *down)), "they were under way all the time"
            assert {one.status for one in (*up, *down)} == {b"HTTP/1.1 200 OK"}
            seen.append((alone, beside))
            if beside <= 2 * alone:
                break
    finally:
        client.close()
    print(f"\np99 alone and beside 100 slow clients: {', '.join(f'{a:.4f} s, {b:.4f} s' for a, b in seen)}")
    assert seen[-1][1] <= 2 * seen[-1][0], seen


def answered(connection: socket.socket) -> int:
    """The status of the next answer, which is read to its end."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def test_a_request_that_comes_with_the_rest_of_a_refused_upload_is_answered(server: RunningServer) -> None:
    """A client that keeps its connection, or a proxy that shares one, would wait until that is given up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        path = "/api/2.0/mlflow-artifacts/artifacts/../x"
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n".encode())
        assert answered(connection) == 400
        connection.sendall(b"late" + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answered(connection) == 200
