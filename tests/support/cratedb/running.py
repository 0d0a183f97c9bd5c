"""The stand-in of the test cluster as a process of this machine."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.ports import free_port

_TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    port: int
    repository: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, statement: str, *values: Any, user: str = "", password: str = "") -> tuple[int, dict[str, Any]]:
        """Status and answer. Without a user: the superuser, as from within a pod."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        login = {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"} if user else {}
        # As CrateDB's client sends what is long.
        body = gzip.compress(json.dumps({"stmt": statement, "args": values}).encode())
        try:
            headers = {"Default-Schema": "mlflow", "Content-Encoding": "gzip", **login}
            connection.request("POST", "/_sql", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def wait(self) -> None:
        end = time.monotonic() + 120
        while True:
            try:
                assert self.ask("SELECT 1")[0] == 200
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, "the stand-in of CrateDB did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def started(folder: Path) -> Iterator[Running]:
    """It keeps its data in the folder."""
    port, repository = free_port(), folder / "repository"
    for place in (folder / "data", repository):
        place.mkdir(exist_ok=True)
    settings = {"http.port": port, "path.data": folder / "data", "path.repo": repository}
    command = [sys.executable, "-m", "support.cratedb.stand_in_server", "-Cdiscovery.type=single-node"]
    command += [f"-C{name}={value}" for name, value in settings.items()]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(_TESTS)}) as process:
        try:
            found = Running(process, port, repository)
            found.wait()
            yield found
        finally:
            process.terminate()
