"""Load on a server: writers that remember what was acknowledged, and every failure with its moment.

There are no retries: what a client with retries would never notice is counted here.
"""

from __future__ import annotations

import http.client
import json
import select
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .deployment import Deployment

_API = "/api/2.0/mlflow"
_KEY = "load"
_TIMEOUT_SECONDS = 40.0


@dataclass(frozen=True)
class Failure:
    """C(began), C(at): when it was asked and when it failed.

    C(in_flight): the request had been sent; else there was no connection to send it over.
    """

    began: float
    at: float
    in_flight: bool
    text: str


@dataclass
class Load:
    """What the writers saw. C(acknowledged): the steps of each run that were answered with 200."""

    acknowledged: dict[str, list[int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def answers(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    def __str__(self) -> str:
        kinds = Counter(f"{'in flight' if one.in_flight else 'no connection'}: {one.text}" for one in self.failures)
        return f"{self.answers} answers, slowest {self.slowest:.1f} s, {len(self.failures)} failures {dict(kinds)}"

    def lost(self, deployment: Deployment) -> dict[str, list[int]]:
        """Acknowledged writes that the server does not have, through the API."""
        connection = _Connection(deployment, kept=True)
        missing = {}
        for run, steps in self.acknowledged.items():
            found: set[int] = set()
            token = ""
            while True:
                query = f"run_id={run}&metric_key={_KEY}&max_results=1000&page_token={token}"
                answer = connection.ask("GET", f"{_API}/metrics/get-history?{query}")
                found |= {int(metric["step"]) for metric in answer.get("metrics", [])}
                token = answer.get("next_page_token", "")
                if not token:
                    break
            if gone := sorted(set(steps) - found):
                missing[run] = gone
        return missing


@contextmanager
def under_load(deployment: Deployment, threads: int = 4, pause: float = 0.02) -> Iterator[Load]:
    """Log metrics meanwhile. Half of the threads keep their connections, the others make one for each request."""
    seen, stop, lock = Load(), threading.Event(), threading.Lock()
    writers = [
        threading.Thread(target=_write, args=(deployment, number % 2 == 0, pause, seen, stop, lock), daemon=True)
        for number in range(threads)
    ]
    for writer in writers:
        writer.start()
    try:
        _until_all_write(seen, threads)
        yield seen
    finally:
        stop.set()
        for writer in writers:
            writer.join(_TIMEOUT_SECONDS + 5)
    assert not any(writer.is_alive() for writer in writers), "a request was never answered"


def _until_all_write(seen: Load, threads: int) -> None:
    deadline = time.monotonic() + 60
    while sum(bool(steps) for steps in list(seen.acknowledged.values())) < threads:
        assert time.monotonic() < deadline, f"the load did not begin: {seen}"
        time.sleep(0.05)


def _write(
    deployment: Deployment, kept: bool, pause: float, seen: Load, stop: threading.Event, lock: threading.Lock
) -> None:
    connection = _Connection(deployment, kept)
    run, step = "", 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            if not run:
                created = connection.ask("POST", f"{_API}/runs/create", {"experiment_id": "0"})
                run = created["run"]["info"]["run_id"]
                with lock:
                    seen.acknowledged[run] = []
            body = {"run_id": run, "key": _KEY, "value": step, "timestamp": int(time.time() * 1000), "step": step}
            connection.ask("POST", f"{_API}/runs/log-metric", body)
            with lock:
                seen.acknowledged[run].append(step)
                seen.slowest = max(seen.slowest, time.monotonic() - began)
        except (OSError, http.client.HTTPException, _Refusal) as error:
            with lock:
                text = " ".join(f"{type(error).__name__}: {error}".split())[:160]
                seen.failures.append(Failure(began, time.monotonic(), connection.sent, text))
            connection.close()
            stop.wait(0.1)
        step += 1
        stop.wait(pause)


class _Refusal(Exception):
    """An answer other than 200."""


class _Connection:
    def __init__(self, deployment: Deployment, kept: bool) -> None:
        self._address, self._port, self._host, self._kept = deployment.address, deployment.port, deployment.host, kept
        self._open: http.client.HTTPConnection | None = None
        self.sent = False

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        self.sent = False
        if self._open and self._ended(self._open):
            self.close()
        connection = self._open or http.client.HTTPConnection(self._address, self._port, timeout=_TIMEOUT_SECONDS)
        self._open = connection
        if connection.sock is None:
            connection.connect()
        self.sent = True
        headers = {"Host": self._host, "Content-Type": "application/json"}
        if not self._kept:
            headers["Connection"] = "close"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        if not self._kept or answer.will_close:
            self.close()
        if answer.status != 200:
            raise _Refusal(f"{answer.status} {text[:120]!r}")
        return dict(json.loads(text))

    @staticmethod
    def _ended(connection: http.client.HTTPConnection) -> bool:
        """Whether the server closed an idle connection, as every pooling client looks before it sends."""
        return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])

    def close(self) -> None:
        if self._open:
            self._open.close()
        self._open = None
