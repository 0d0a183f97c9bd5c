"""A proxy on loopback that leads every name to one server there: clients use names that only the real thing has."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(port: int) -> Iterator[str]:
    """Its URL, for C(HTTPS_PROXY).

    :param port: of the server on loopback.
    """
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"port": port}))
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    port: int

    def do_CONNECT(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as server:
            self.send_response(200, "Connection established")
            self.end_headers()
            other = {self.connection: server, server: self.connection}
            while ready := select.select(list(other), [], [], 60)[0]:
                for side in ready:
                    if not (data := side.recv(1 << 16)):
                        return
                    other[side].sendall(data)

    def log_message(self, *_words: object) -> None:
        pass
