"""A tiny HTTP server on loopback that answers as a test tells it to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


@dataclass
class Loopback:
    """C(seen) holds each request's method, path and headers; C(answers) are used in turn, the last one for ever."""

    answers: list[Answer]
    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loopback: Loopback
    body: bytes

    def setup(self) -> None:
        self.loopback.connections += 1
        super().setup()

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = len(self.loopback.seen)
        self.loopback.seen.append((self.command, self.path, dict(self.headers)))
        self.loopback.answers[min(number, len(self.loopback.answers) - 1)](self)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def answer(self, status: int, body: bytes = b"{}", close: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def status(code: int, body: bytes = b"{}") -> Answer:
    return lambda handler: handler.answer(code, body)


def hang_up(handler: Handler) -> None:
    """Close without an answer, as a server that is killed does."""
    handler.close_connection = True


def answer_then_hang_up(handler: Handler) -> None:
    """Answer as if the connection stayed open, then close it, as a server does after its keep-alive time."""
    handler.answer(200)
    handler.close_connection = True


@contextmanager
def serve(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    loopback = Loopback(list(answers) or [status(200)])
    handler = type("BoundHandler", (Handler,), {"loopback": loopback})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # refused handshakes are the test
    loopback.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
