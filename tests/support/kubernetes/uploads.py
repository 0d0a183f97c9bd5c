"""Clients that upload artifacts, and remember which of them were acknowledged."""

from __future__ import annotations

import hashlib
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .snapshots import ask

_PLACE = "/api/2.0/mlflow-artifacts/artifacts/load"
_KIBIBYTES = 64


@dataclass
class Uploads:
    """What they saw. C(acknowledged): the numbers of artifacts that were answered with 200; C(refused): the others."""

    acknowledged: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def lost(self, deployment: Any) -> list[int]:
        """Those that were acknowledged, and are not there byte for byte."""
        return [one for one in self.acknowledged if ask(deployment, "GET", f"{_PLACE}/{one}") != (200, _content(one))]


@contextmanager
def uploading(deployment: Any, threads: int = 3) -> Iterator[Uploads]:
    seen, stop = Uploads(), threading.Event()

    def upload(number: int) -> None:
        while not stop.is_set():
            try:
                status, _said = ask(deployment, "PUT", f"{_PLACE}/{number}", _content(number))
                if status == 200:
                    seen.acknowledged.append(number)
                else:
                    seen.refused.append(str(status))
            except (OSError, http.client.HTTPException) as error:
                seen.refused.append(type(error).__name__)
            number += threads

    clients = [threading.Thread(target=upload, args=(number,), daemon=True) for number in range(threads)]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        stop.set()
        for client in clients:
            client.join(120)
    assert not any(client.is_alive() for client in clients), "an upload was never answered"


def _content(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (_KIBIBYTES * 1024 // 32)
