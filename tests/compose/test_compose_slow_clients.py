"""Clients with slow lines, through the load balancer: no server is taken for a broken one, nobody waits for them."""

from __future__ import annotations

import time

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from support.compose.deployment import Deployment
from support.slow_clients import slow_clients

pytestmark = pytest.mark.compose
SECONDS = 30


def test_fifty_slow_uploads_of_one_client_take_no_server_away(multi_az: Deployment) -> None:
    client, longest, states = Client(Server(f"http://localhost:{multi_az.port}", timeout=30)), 0.0, set()
    with slow_clients(multi_az.port, 50, upload=True) as clients:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            began = time.monotonic()
            client.get("/health")
            longest = max(longest, time.monotonic() - began)
            states |= {multi_az.seen_by_load_balancer(server) for server in multi_az.servers()}
        assert all(one.thread.is_alive() for one in clients), "they were under way all the time"
    client.close()
    print(f"\n/health during 50 slow uploads: {longest:.2f} s at most in {SECONDS} s; servers were {states}")
    assert states == {"UP"} and longest < 5
    assert {one.status for one in clients} == {b"HTTP/1.1 200 OK"}
