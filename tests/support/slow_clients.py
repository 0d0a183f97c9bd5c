"""Clients with slow lines: uploads that trickle in, downloads that are read a little at a time."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PATH = "/api/2.0/mlflow-artifacts/artifacts/slow"


class SlowClient:
    """One upload or download on loopback that goes on, byte by byte, until it is told to finish."""

    def __init__(self, port: int, number: int, body: bytes, *, upload: bool) -> None:
        self.status = b""
        self.finish = threading.Event()
        self._where = (port, f"{_PATH}/{number if upload else 'stored'}")
        self._body = body
        self.thread = threading.Thread(target=self._upload if upload else self._download, daemon=True)
        self.thread.start()

    def _connect(self, head: str) -> socket.socket:
        connection = socket.socket()
        # A small window, so that the server is held by what was not read yet.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(120)
        connection.connect(("127.0.0.1", self._where[0]))
        connection.sendall(f"{head} {self._where[1]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode())
        return connection

    def _upload(self) -> None:
        with self._connect("PUT") as connection:
            connection.sendall(f"Content-Length: {len(self._body)}\r\n\r\n".encode())
            sent = 0
            while not self.finish.is_set() and sent < len(self._body) - 1:
                sent += connection.send(self._body[sent : sent + 1])
                self.finish.wait(0.2)
            connection.sendall(self._body[sent:])
            self.status = connection.recv(64).split(b"\r\n")[0]

    def _download(self) -> None:
        with self._connect("GET") as connection:
            connection.sendall(b"\r\n")
            got = connection.recv(64)
            self.status = got.split(b"\r\n")[0]
            while not self.finish.is_set() and (more := connection.recv(1)):
                got += more
                self.finish.wait(0.2)
            while more := connection.recv(1 << 16):
                got += more
        assert not self.status.endswith(b"200 OK") or got.endswith(self._body), "the download is not what was stored"


@contextmanager
def slow_clients(
    port: int, number: int, *, upload: bool, body: bytes = b"slow" * (1 << 20)
) -> Iterator[list[SlowClient]]:
    """So many of them, which have begun. At the end they finish, and everyone got what it came for."""
    clients = [SlowClient(port, one, body, upload=upload) for one in range(number)]
    time.sleep(2)
    try:
        yield clients
    finally:
        for client in clients:
            client.finish.set()
        for client in clients:
            client.thread.join(120)


def p99(ask: Callable[[], object], times: int = 400) -> float:
    """Seconds that 99 of 100 requests take at most."""
    took = []
    for _time in range(times):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.quantiles(took, n=100)[98]
