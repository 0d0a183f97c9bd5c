"""Names of a server as MLflow itself takes them: Host headers, the web page's origin, IPv6."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from http.client import HTTPConnection

import pytest
from support.databases import Databases
from support.environments import Environments
from support.servers import API, RunningServer

NAME = "mlflow.example.com"


@pytest.fixture(scope="module", params=["light", "throughput"])
def named(
    request: pytest.FixtureRequest,
    environments: Environments,
    databases: Databases,
    run_server: Callable[..., RunningServer],
) -> RunningServer:
    connection = databases.connection(databases.copy(f"named_{request.param}"))
    return run_server(
        environments.slim,
        request.param,
        connection,
        allowed_hosts=[NAME, "*.internal.example", "[fd00::5]"],
        cors_origins=["https://notebooks.example.com"],
    )


def search(server: RunningServer, host: str, origin: str, method: str = "POST") -> tuple[int, str | None]:
    """Status of a search as the page sends it, and whose pages may read the answer."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"Host": host, "Content-Type": "application/json"} | ({"Origin": origin} if origin else {})
    if method == "OPTIONS":
        headers |= {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    path = f"/ajax-{API[1:]}/experiments/search"
    try:
        connection.request(method, path, json.dumps({"max_results": 1}), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Access-Control-Allow-Origin")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (f"{NAME}:5401", f"http://{NAME}:5401"),
        (NAME, f"https://{NAME}"),
        (NAME, f"http://{NAME}"),
        (f"{NAME}:8443", f"https://{NAME}:8443"),
        ("a.internal.example:5000", "http://a.internal.example:5000"),
        ("[fd00::5]:5000", "http://[fd00::5]:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        (f"{NAME}:5401", ""),
    ],
)
def test_the_web_page_works_under_every_name_of_the_server(named: RunningServer, host: str, origin: str) -> None:
    assert search(named, host, origin)[0] == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        f"http://{NAME}.evil.example",
        f"http://{NAME}.evil.example:5401",
        f"http://{NAME.replace('.', '-')}:5401",
        "http://internal.example.evil.example",
        "null",
    ],
)
def test_pages_from_elsewhere_are_refused_and_read_nothing(named: RunningServer, origin: str) -> None:
    status, readers = search(named, f"{NAME}:5401", origin)
    assert (status, readers) == (403, None)
    assert search(named, f"{NAME}:5401", origin, "OPTIONS")[1] is None


def test_a_page_that_was_named_may_read(named: RunningServer) -> None:
    origin = "https://notebooks.example.com"
    assert search(named, NAME, origin) == (200, origin)
    assert search(named, NAME, origin, "OPTIONS")[1] == origin


def test_another_host_is_refused(named: RunningServer) -> None:
    assert search(named, f"{NAME}.evil.example", "")[0] == 403


def _has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6_loopback(), reason="this host has no ::1")
@pytest.mark.parametrize("profile", ["light", "throughput"])
@pytest.mark.parametrize("host", ["::1", "::"])
def test_a_server_that_listens_on_ipv6_is_healthy_there(
    environments: Environments,
    databases: Databases,
    run_server: Callable[..., RunningServer],
    profile: str,
    host: str,
) -> None:
    connection = databases.connection(databases.copy(f"ipv6_{profile}_{len(host)}"))
    server = run_server(environments.slim, profile, connection, host=host)
    try:
        assert server.url.startswith("http://[::1]:")
        report = server.check("deep")
        assert report.healthy, report.verdict
    finally:
        server.stop()
