"""The HTTP client: repeats only what is safe, survives a closed connection, gives up in time, and keeps secrets."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import http
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from support.loopback import Handler, Loopback, answer_then_hang_up, hang_up, serve, status


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.time, "sleep", lambda _seconds: None)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is held, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def client(loopback: Loopback, **options: Any) -> Client:
    return Client(Server(loopback.url, **{"timeout": 5.0, **options}))


def test_get_is_repeated_until_the_server_has_recovered() -> None:
    with serve(status(503), status(502), status(200, b'{"ok": 1}')) as loopback:
        assert client(loopback).get("/version").json() == {"ok": 1}
        assert len(loopback.seen) == 3


def test_get_is_repeated_only_so_often() -> None:
    with serve(status(503, b"busy")) as loopback:
        with pytest.raises(ServerError, match="answered 503: busy") as failed:
            client(loopback, retries=2).get("/version")
        assert (failed.value.status, len(loopback.seen)) == (503, 3)


def test_post_is_sent_once_because_repeating_it_could_do_harm() -> None:
    with serve(status(503)) as loopback:
        with pytest.raises(ServerError):
            client(loopback).post("/runs/create", {})
        assert len(loopback.seen) == 1


def test_post_that_only_reads_is_repeated() -> None:
    with serve(status(503), status(200)) as loopback:
        client(loopback).post("/experiments/search", {}, safe=True)
        assert len(loopback.seen) == 2


def test_errors_that_do_not_pass_by_themselves_are_not_repeated() -> None:
    with serve(status(404, b'{"message": "No such run"}')) as loopback:
        with pytest.raises(ServerError, match=r"GET /runs/get at 127.0.0.1:\d+ answered 404: No such run"):
            client(loopback).get("/runs/get", {"run_id": "secret-looking"})
        assert len(loopback.seen) == 1


def test_an_answer_that_no_mlflow_gives_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LONGEST_ANSWER", 1 << 20)
    with serve(status(200, b"x" * (1 << 20)), status(200, b"x" * (1 << 22)), status(200)) as loopback:
        asking = client(loopback)
        assert len(asking.get("/fits").body) == 1 << 20
        with pytest.raises(ServerError, match="answered POST /endless with more than 1 MiB: that is no MLflow"):
            asking.post("/endless", {})
        assert asking.get("/next").status == 200


def test_one_connection_serves_several_requests() -> None:
    with serve() as loopback:
        speaker = client(loopback)
        for _turn in range(5):
            speaker.get("/version")
        assert (len(loopback.seen), loopback.connections) == (5, 1)
        speaker.close()


def test_a_kept_connection_that_the_server_closed_meanwhile_is_opened_anew_even_for_post() -> None:
    with serve(answer_then_hang_up, status(200)) as loopback:
        speaker = client(loopback)
        speaker.get("/version")
        assert speaker.post("/runs/create", {}).status == 200
        assert [method for method, _path, _headers in loopback.seen] == ["GET", "POST"]
        assert loopback.connections == 2


def test_a_fresh_connection_that_is_closed_without_an_answer_is_an_error_and_post_is_not_repeated() -> None:
    with serve(hang_up) as loopback:
        with pytest.raises(ServerError, match="closed the connection without an answer"):
            client(loopback).post("/runs/create", {})
        assert len(loopback.seen) == 1


def test_a_server_that_gives_no_answer_is_given_up_in_time() -> None:
    released = threading.Event()

    def freeze(_handler: Handler) -> None:
        released.wait(30)

    with serve(freeze) as loopback:
        try:
            with pytest.raises(ServerError, match=r"gave no answer to GET /version within 0\.2 s"):
                client(loopback, timeout=0.2, retries=0).get("/version")
        finally:
            released.set()


def test_nobody_listening_is_named_with_host_and_port(closed_port: int) -> None:
    expected = f"Nothing accepts connections on 127.0.0.1:{closed_port}: Connection refused"
    with pytest.raises(ServerError, match=expected):
        Client(Server(f"http://127.0.0.1:{closed_port}")).get("/health")


def test_basic_credentials_and_tokens_are_sent_and_an_anonymous_request_sends_none() -> None:
    with serve() as loopback:
        client(loopback, username="dana", password="p:ä").get("/a")
        client(loopback, token="t").get("/b")
        client(loopback, token="t").get("/c", anonymous=True)
    sent = [headers.get("Authorization") for _method, _path, headers in loopback.seen]
    assert sent == ["Basic " + base64.b64encode("dana:p:ä".encode()).decode(), "Bearer t", None]


def test_the_prefix_of_the_url_comes_before_every_path() -> None:
    with serve() as loopback:
        Client(Server(loopback.url + "/mlflow/")).get("/version", {"a": [1, 2]})
    assert loopback.seen[0][1] == "/mlflow/version?a=1&a=2"


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    with serve() as loopback:
        assert client(loopback).get("/version").status == 200


def test_refused_credentials_and_a_refused_host_say_what_to_do() -> None:
    with serve(status(401), status(403, b"Invalid Host header"), status(403, b"no permission")) as loopback:
        with pytest.raises(ServerError, match="wants credentials, or refused those it got"):
            client(loopback).get("/version")
        with pytest.raises(ServerError, match="mlflow_server_allowed_hosts"):
            client(loopback).get("/version")
        with pytest.raises(ServerError, match="answered 403: no permission"):
            client(loopback).get("/version")


def test_an_answer_that_is_no_json_is_quoted_shortly() -> None:
    with serve(status(200, b"<html>" + b"x" * 1000)) as loopback, pytest.raises(ServerError) as failed:
        client(loopback).get("/version").json()
    assert "not JSON: <html>" in str(failed.value) and len(str(failed.value)) < 300


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "127.0.0.1:5000"}, "must look like"),
        ({"url": "ftp://host"}, "must look like"),
        ({"url": "http://"}, "must look like"),
        ({"url": "http://me:hunter2@host"}, "holds credentials"),
        ({"url": "http://host", "username": "me"}, "password is needed for user me"),
        ({"url": "http://host", "username": "me", "password": "hunter2", "token": "hunter2"}, "not both"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused_without_its_secrets(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        Server(**options)
    assert "hunter2" not in str(refused.value)


def test_a_port_that_is_none_is_bad_input() -> None:
    with pytest.raises(BadInput, match="must look like"):
        Client(Server("http://host:port"))


def test_secrets_are_not_in_the_representation() -> None:
    shown = repr(Server("http://host", username="me", password="hunter2")) + repr(Server("http://h", token="hunter2"))
    assert "hunter2" not in shown
