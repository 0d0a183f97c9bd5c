"""A stand-in of CrateDB's HTTP interface. It answers what C(recorded.json) holds, in the order in which a real CrateDB
said it, and refuses every other statement: nothing of SQL is in it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place, connect

RECORDED = Path(__file__).with_name("recorded.json")
# What differs from one time to the next: folders, stamps of now, times, random names.
_DIFFERENT = re.compile(
    r"(?:/[\w.-]+)+(?=/mlops_)|20(?!261126070000000)\d{15}|(?<=since )\S+ on \S+"
    r"|\b[0-9a-f]{32}\b|(?<=[_(])[0-9a-f]{8}\b|(?<=http://127\.0\.0\.1:)\d+"
)


class Names:
    """What differs, in the order in which statements name it."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def key_of(self, request: dict[str, Any]) -> str:
        """A statement with its values, without what differs each time."""
        return self.general([request["stmt"], request.get("args", [])])

    def general(self, said: Any) -> str:
        return _DIFFERENT.sub(
            lambda found: self._known.setdefault(found[0], f"DIFFERENT-{len(self._known)}."), json.dumps(said)
        )

    def actual(self, text: str) -> Any:
        for word, name in self._known.items():
            text = text.replace(name, word)
        return json.loads(text)


class StandIn:
    """The answers of one scenario. Of a statement that was asked more often than recorded, the last one stays."""

    def __init__(self, scenario: str) -> None:
        recorded = json.loads(RECORDED.read_text())[scenario]
        self._names = Names()
        self._answers: dict[str, list[tuple[int, str]]] = {}
        for one in recorded:
            self._answers.setdefault(one["key"], []).append((one["status"], one["answer"]))
        self._lock = threading.Lock()
        self.unknown: list[str] = []

    def answer(self, request: dict[str, Any]) -> tuple[int, Any]:
        if request["stmt"].startswith("CREATE REPOSITORY"):
            _snapshot(request)
        with self._lock:
            key = self._names.key_of(request)
            known = self._answers.get(key)
            if not known:
                self.unknown.append(key)
                return 400, {"error": {"code": 4000, "message": f"not recorded: {key}"}}
            status, text = known.pop(0) if len(known) > 1 else known[0]
            return status, self._names.actual(text)


def _snapshot(request: dict[str, Any]) -> None:
    """What a snapshot would put there, or a restore would read."""
    names = re.findall(r"(\w+) = \?", request["stmt"])
    said = dict(zip(names, request["args"], strict=True))
    if "location" in said:
        if not said["readonly"]:
            Path(said["location"], "index-0").write_text("a snapshot")
        return
    keys = (said["endpoint"], said["region"], said["access_key"], said["secret_key"])
    store = connect(Place(f"s3://{said['bucket']}/{said['base_path']}", *keys))
    if not said["readonly"]:
        store.put("indices/index-0", b"a snapshot")
    else:
        assert store.get("indices/index-0", 100) == b"a snapshot"


@contextmanager
def served(scenario: str) -> Iterator[tuple[StandIn, int]]:
    """The stand-in and its port on loopback."""
    found = StandIn(scenario)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # an answer in one piece: the second would wait for the first to be acknowledged

        def do_POST(self) -> None:
            status, answer = found.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found, server.server_port
        finally:
            server.shutdown()
