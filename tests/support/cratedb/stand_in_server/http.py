"""CrateDB's HTTP interface: who asks, and what the answer is."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .catalog import VERSION
from .database import Database
from .errors import Refused
from .privileges import SUPERUSER


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], database: Database) -> None:
        super().__init__(address, _Handler)
        self.database = database


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer in one piece
    server: Server
    _user = ""

    def do_GET(self) -> None:
        self._answer(lambda: {"name": "stand-in", "cluster_name": "stand-in", "version": {"number": VERSION}})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        # As CrateDB's client sends what is long.
        body = json.loads(gzip.decompress(sent) if self.headers.get("Content-Encoding") == "gzip" else sent)
        self._answer(lambda: self._run(body))

    def _run(self, body: dict[str, Any]) -> dict[str, Any]:
        database, schema = self.server.database, self.headers.get("Default-Schema", "doc")
        if many := body.get("bulk_args"):
            counts = [database.run(self._user, schema, body["stmt"], values)["rowcount"] for values in many]
            return {"cols": [], "results": [{"rowcount": count} for count in counts]}
        return database.run(self._user, schema, body["stmt"], body.get("args") or [])

    def _answer(self, function: Any) -> None:
        try:
            self._authenticate()
            status, said = 200, {**function(), "duration": 0.1}
        except (Refused, sqlite3.Error) as error:
            status, code = (error.status, error.code) if isinstance(error, Refused) else (500, 5000)
            said = {"error": {"message": str(error), "code": code}}
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
            self.wfile.flush()

    def _authenticate(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        name, _, password = base64.b64decode(given).decode().partition(":")
        name = name or SUPERUSER
        local = self.client_address[0] == "127.0.0.1"
        if not self.server.database.users.authenticated(name, password, local=local):
            raise Refused(401, 4010, f'password authentication failed for user "{name}"')
        if not self._user:
            self.server.database.sessions[name] += 1
        self._user = name

    def finish(self) -> None:
        if self._user:
            self.server.database.sessions[self._user] -= 1
        super().finish()

    def log_message(self, *_args: Any) -> None:
        """Nothing: statements are nobody's business."""
