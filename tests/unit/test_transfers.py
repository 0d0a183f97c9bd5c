"""Transfers apart from the API: a slow client holds nobody up, and there is room for so many of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import transfers
from support.processes import until

UPLOAD = "/api/2.0/mlflow-artifacts/artifacts/1/model.bin"
API = "/api/2.0/mlflow/runs/search"


class Wrapper:
    """gunicorn's, as far as it matters here."""

    def __init__(self, closed: list[str]) -> None:
        self.close = lambda: closed.append("file")


class Client:
    """One request. C(arrived) lets its body through."""

    def __init__(
        self, served: Callable[..., Iterable[bytes]], path: str, body: bytes = b"x", waits: bool = False
    ) -> None:
        self.arrived = threading.Event()
        self.status, self.answer = "", b""
        if not waits:
            self.arrived.set()
        self.environ: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": self, "wsgi.file_wrapper": Wrapper}
        self._body = io.BytesIO(body)
        self._served = served
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def read(self, size: int = -1) -> bytes:
        assert self.arrived.wait(30)
        return self._body.read(size)

    def _run(self) -> None:
        answer = self._served(self.environ, lambda status, _headers: setattr(self, "status", status))
        self.answer = b"".join(answer)
        getattr(answer, "close", lambda: None)()

    def ended(self) -> Client:
        self.thread.join(30)
        assert not self.thread.is_alive(), "held up"
        return self


def mlflow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body]


def test_slow_uploads_hold_neither_the_api_nor_health_up() -> None:
    served = transfers.Apart(mlflow, threads=1, transfers=8)
    slow = [Client(served, UPLOAD, waits=True) for _ in range(8)]
    assert Client(served, API, b"searched").ended().answer == b"searched"
    assert Client(served, "/prefix/health").ended().status == "200 OK"
    for one in slow:
        one.arrived.set()
        assert one.ended().status == "200 OK"


def test_a_request_of_the_api_takes_its_turn_when_it_has_arrived() -> None:
    served = transfers.Apart(mlflow, threads=1, transfers=1)
    slow = Client(served, API, b"late" * 1_000_000, waits=True)
    assert Client(served, API, b"early").ended().answer == b"early"
    slow.arrived.set()
    assert slow.ended().answer == b"late" * 1_000_000, "also what does not stay in memory"


def test_only_so_many_requests_of_the_api_work_at_once() -> None:
    working, go, most = [], threading.Event(), []

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        working.append(1)
        most.append(len(working))
        go.wait(30)
        working.pop()
        return mlflow(environ, start_response)

    served = transfers.Apart(slow, threads=2, transfers=1)
    clients = [Client(served, API) for _ in range(6)]
    until(lambda: len(working) == 2, "two work")
    go.set()
    assert [one.ended().status for one in clients] == ["200 OK"] * 6
    assert max(most) == 2


def test_one_transfer_too_many_is_told_to_come_again_and_not_left_waiting() -> None:
    served = transfers.Apart(mlflow, threads=1, transfers=1)
    first = Client(served, UPLOAD, waits=True)
    until(
        lambda: not served._transfers.acquire(blocking=False) or served._transfers.release(), "the first is under way"
    )
    assert Client(served, UPLOAD).ended().status.startswith("503")
    first.arrived.set()
    first.ended()
    assert Client(served, UPLOAD).ended().status == "200 OK", "there is room again"


@pytest.mark.parametrize("fails", [True, False])
def test_room_is_given_back_once_whatever_becomes_of_the_transfer(fails: bool) -> None:
    closed: list[str] = []

    def download(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if fails:
            raise RuntimeError("the store is away")
        start_response("200 OK", [])
        return Wrapper(closed)

    served = transfers.Apart(download, threads=1, transfers=1)
    environ = {"PATH_INFO": "/get-artifact", "wsgi.file_wrapper": Wrapper}
    for _turn in range(3):
        if fails:
            with pytest.raises(RuntimeError):
                served(environ, lambda *_: None)
            continue
        answer: Any = served(environ, lambda *_: None)
        assert isinstance(answer, Wrapper), "the kernel sends it"
        assert not served._transfers.acquire(blocking=False), "under way until it is closed"
        answer.close()
        answer.close()
    assert served._transfers.acquire(blocking=False) and not served._transfers.acquire(blocking=False)


@pytest.mark.parametrize(
    ("path", "apart"),
    [
        ("/prefix/api/2.0/mlflow-artifacts/artifacts/1/x", True),
        ("/api/2.0/mlflow-artifacts/mpu/create/1/x", True),
        ("/get-artifact", True),
        ("/model-versions/get-artifact", True),
        ("/ajax-api/2.0/mlflow/upload-artifact", True),
        ("/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files", True),
        ("/api/2.0/mlflow/artifacts/list", False),
        ("/api/2.0/mlflow/runs/log-batch", False),
        ("/", False),
    ],
)
def test_what_a_transfer_is(path: str, apart: bool) -> None:
    assert bool(transfers._TRANSFER.search(path)) == apart


def test_mlflows_application_is_found_by_its_name() -> None:
    assert transfers.application("wsgiref.simple_server", "demo_app", 1, 1).served.__name__ == "demo_app"
    assert isinstance(transfers.application("builtins", "dict()", 1, 1).served, dict)
