# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load: closed-loop clients on kept connections, in one thread of this process, and what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .http import Answer, parse

# Makes the next request of one client, given the client's number and its answers so far.
Requests = Callable[[int, int], bytes]


@dataclass
class Seen:
    """What the clients saw. C(answers): per good answer (seconds since the start, latency in seconds)."""

    seconds: float
    client_cpu: float = 0.0
    answers: list[tuple[float, float]] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""
    unanswered: int = 0

    @property
    def rate(self) -> float:
        """Good answers per second within the window."""
        return sum(at <= self.seconds for at, _latency in self.answers) / self.seconds

    @property
    def stall(self) -> float:
        """The longest time in seconds in which nobody got a good answer."""
        times = [0.0, *sorted(min(at, self.seconds) for at, _latency in self.answers), self.seconds]
        return max(after - before for before, after in itertools.pairwise(times))

    @property
    def latencies(self) -> list[float]:
        return [latency for _at, latency in self.answers]


def run(port: int, clients: int, seconds: float, requests: Requests, drain: float = 40.0) -> Seen:
    """Let C(clients) ask one after the other for C(seconds), and wait at most C(drain) for the last answers."""
    return asyncio.run(_run(port, clients, seconds, requests, drain))


async def _run(port: int, clients: int, seconds: float, requests: Requests, drain: float) -> Seen:
    seen = Seen(seconds)
    cpu, start = time.process_time(), time.monotonic()
    tasks = [asyncio.create_task(_client(port, number, start, requests, seen)) for number in range(clients)]
    _done, late = await asyncio.wait(tasks, timeout=seconds + drain)
    for task in late:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    seen.unanswered = len(late)
    seen.client_cpu = time.process_time() - cpu
    return seen


async def _client(port: int, number: int, start: float, requests: Requests, seen: Seen) -> None:
    loop = asyncio.get_running_loop()
    connection: _Connection | None = None
    sent = 0
    try:
        while (began := time.monotonic()) - start < seen.seconds:
            try:
                if connection is None:
                    _transport, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
                answer = await connection.ask(requests(number, sent))
            except OSError as error:
                _fail(seen, f"{type(error).__name__}: {error}")
                connection = None
                await asyncio.sleep(0.1)
                continue
            sent += 1
            now = time.monotonic()
            if answer.status == 200:
                seen.answers.append((now - start, now - began))
            else:
                _fail(seen, f"{answer.status}: {answer.body[:200]!r}")
            if answer.close:
                connection.end()
                connection = None
    finally:
        if connection:
            connection.end()


def _fail(seen: Seen, message: str) -> None:
    seen.errors += 1
    seen.first_error = seen.first_error or message


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._data = b""
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def ask(self, message: bytes) -> asyncio.Future[Answer]:
        self._waiting = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            self._waiting.set_exception(ConnectionResetError("the server closed the connection"))
        else:
            self._transport.write(message)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._waiting is None or self._waiting.done():
            return
        try:
            answer = parse(self._data)
        except ValueError as error:
            self._waiting.set_exception(ConnectionError(str(error)))
            return
        if answer:
            self._data = answer.rest
            self._waiting.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("the server closed the connection"))

    def end(self) -> None:
        if self._transport:
            self._transport.close()
