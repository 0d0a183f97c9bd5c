"""Servers in the place of a fleet's instances, behind one gateway: they answer at once what a load test asks, once they
are awake. For what a load test does, and how many users its generator can be; they hold nothing.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from typing import Self

# One answer to everything: whoever reads it finds what he looks for.
_ANSWER = {
    "artifact_serving_enabled": True,
    "experiment_id": "1",
    "experiment": {"experiment_id": "1"},
    "experiments": [],
    "registered_models": [],
    "run": {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/1/r/artifacts"}},
    "runs": [],
    "traces_deleted": 0,
}
_BODY = json.dumps(_ANSWER).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_SAID = _HEAD % len(_BODY) + _BODY
_VERSION = b"3.17.2"


class Instances:
    """Listens on the loopback device while the C(with) lasts. Which instance is meant, the name of the host says.

    :param wake_seconds: after which an instance answers that slept.
    """

    def __init__(self, wake_seconds: float = 0.0) -> None:
        self._wake_seconds = wake_seconds
        # How many requests each had.
        self.asked: Counter[str] = Counter()
        self.port = 0
        # When each answers, by the clock of the loop.
        self._awake: dict[str, float] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="instances", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(headers.get("content-length", 0)))
                name = headers["host"]
                self.asked[name] += 1
                awake = self._awake.setdefault(name, self._loop.time() + self._wake_seconds)
                await asyncio.sleep(max(awake - self._loop.time(), 0))
                version = head.startswith("GET /version ")
                writer.write(_HEAD % len(_VERSION) + _VERSION if version else _SAID)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
