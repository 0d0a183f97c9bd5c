# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP/1.1, as much of it as a load generator needs: it must cost far less than the server that it measures."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """C(rest): bytes that came after this answer."""

    status: int
    body: bytes
    rest: bytes
    close: bool


def request(method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> bytes:
    """One request, ready to be sent."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if data:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def parse(data: bytes) -> Answer | None:
    """The first answer in C(data), or None while it is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    close = b"\r\nconnection: close" in head
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"an answer without Content-Length: {head[:200]!r}")
    line = head.find(b"\r\n", at + 2)
    stop = end + 4 + int(head[at + 17 : line if line > 0 else end])
    if len(data) < stop:
        return None
    return Answer(int(head[9:12]), data[end + 4 : stop], data[stop:], close)


def exchange(port: int, message: bytes, timeout: float) -> Answer:
    """Send one request over a connection of its own. C(timeout) in seconds.

    :raises OSError: no connection, or no answer in time.
    """
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(message)
        data = b""
        while (answer := parse(data)) is None:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionResetError("the server closed the connection")
            data += piece
        return answer
