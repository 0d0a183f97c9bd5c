"""A store that only the own network knows is asked through no proxy, whichever library asks; others are."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli, http
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import bucket, cloud

KEYS = {"region": "us-east-1", "access_key": "key", "secret_key": "secret"}


class Listener(ThreadingHTTPServer):
    """Refuses whatever it is asked, and says of it to whom that was addressed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Refusing)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Refusing(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Host"])
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_GET

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Callable[[], Listener]]:
    started: list[Listener] = []

    def start() -> Listener:
        started.append(Listener())
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


@pytest.fixture
def proxy(listener: Callable[[], Listener], monkeypatch: pytest.MonkeyPatch) -> Listener:
    """As Docker gives it to containers."""
    found = listener()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{found.port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "intranet.example.com")
    return found


def by_boto(endpoint: str) -> None:
    bucket.ensure("s3://b/p", bucket.Keys(endpoint, **KEYS))


def by_obstore(endpoint: str) -> None:
    list(cloud.connect(cloud.Place("s3://b/p", endpoint, **KEYS)).list(""))


@pytest.mark.parametrize("ask", [by_boto, by_obstore])
def test_a_store_beside_the_operation_is_asked_itself(
    ask: Callable[[str], None], listener: Callable[[], Listener], proxy: Listener
) -> None:
    store = listener()
    with pytest.raises(EngineError):
        ask(f"http://localhost:{store.port}")
    assert store.asked and proxy.asked == []
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intranet.example.com,localhost"


@pytest.mark.parametrize("ask", [by_boto, by_obstore])
def test_a_store_elsewhere_is_asked_through_the_proxy(ask: Callable[[str], None], proxy: Listener) -> None:
    with pytest.raises(EngineError):
        ask("http://s3.example.com:9000")
    assert proxy.asked and os.environ["NO_PROXY"] == "intranet.example.com"


@pytest.mark.parametrize(
    ("url", "directly"),
    [
        ("http://mlflow-artifacts:7070", True),  # a container
        ("https://mlflow-artifacts.ml:7070", True),  # a Service
        ("https://mlflow-artifacts.ml.svc", True),
        ("https://minio.corp", False),
        ("https://s3.us-west-2.amazonaws.com", False),
        ("http://[2001:db8::1]:9000", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_of_this_network_a_pod_knows_by_the_domains_that_complete_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: Listener, url: str | None, directly: bool
) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 10.96.0.10\nsearch ml.svc.cluster.local svc.cluster.local cluster.local corp\n\n")
    monkeypatch.setattr(http, "_RESOLVER", str(resolver))
    monkeypatch.setattr(http, "_resolves", lambda name: name == "mlflow-artifacts.ml.svc.cluster.local.")
    for _again in range(2):
        http.ask_directly(url)
    assert len(os.environ["NO_PROXY"].split(",")) == (2 if directly else 1)


def test_mlflows_own_clients_in_a_container_ask_the_store_directly(
    monkeypatch: pytest.MonkeyPatch, proxy: Listener
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://mlflow-artifacts:7070")
    cli.main(["bucket", "--uri", "nowhere"])
    assert "mlflow-artifacts" in os.environ["no_proxy"].split(",")
