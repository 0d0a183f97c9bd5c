"""The real MLflow client on this machine, in the environment that tests/integration installs."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .deployment import Deployment

# The name is one that the server answers to, and only this process knows where it leads.
_RESOLVE = """
import json, os, socket, sys, time
from mlflow import MlflowClient
wanted, there = os.environ["NAME"], os.environ["ADDRESS"]
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve(there if host == wanted else host, *rest, **more)
uri = f"http://{wanted}:{os.environ['PORT']}"
client = MlflowClient(uri, registry_uri=uri)
"""
_READ = """
run = client.create_run("0").info.run_id
client.log_metric(run, "read", 1.0)
print("reading", flush=True)
reads = 0
while not os.path.exists(os.environ["STOP"]):
    assert client.get_run(run).data.metrics == {"read": 1.0}
    assert client.search_runs(["0"], f"attributes.run_id = '{run}'")[0].info.run_id == run
    reads += 2
print(json.dumps(reads))
"""


class Reader:
    """A client with default retries that reads until it is stopped. C(reads): how many calls had their answer."""

    reads = 0


class RealClient:
    """C(python): an interpreter that has MLflow."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def run(self, deployment: Deployment, script: str, port: int = 5000, **environment: str) -> Any:
        """What the script prints last, as JSON. It finds C(client), an MlflowClient."""
        done = subprocess.run(
            [str(self.python), "-c", _RESOLVE + script],
            env=self._environment(deployment, port) | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    def run_at(self, port: int, script: str) -> Any:
        """The same through a port of this machine."""
        done = subprocess.run(
            [str(self.python), "-c", _RESOLVE + script],
            env={"NAME": "localhost", "ADDRESS": "127.0.0.1", "PORT": str(port), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def reading(self, deployment: Deployment) -> Iterator[Reader]:
        """Reads meanwhile; at the end it must not have seen a single error."""
        reader = Reader()
        with tempfile.TemporaryDirectory() as folder:
            stop, errors = Path(folder, "stop"), Path(folder, "errors")
            with (
                errors.open("w") as said,
                subprocess.Popen(
                    [str(self.python), "-c", _RESOLVE + _READ],
                    env=self._environment(deployment, 5000) | {"STOP": str(stop)},
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                ) as process,
            ):
                try:
                    started = process.stdout.readline() if process.stdout else ""
                    assert started == "reading\n", errors.read_text()[-3000:]
                    yield reader
                    stop.touch()
                    last, _nothing = process.communicate(timeout=150)
                finally:
                    process.kill()
            assert process.returncode == 0, f"the client saw an error: {errors.read_text()[-3000:]}"
            reader.reads = json.loads(last)

    @staticmethod
    def _environment(deployment: Deployment, port: int) -> dict[str, str]:
        return {"NAME": deployment.host, "ADDRESS": deployment.address, "PORT": str(port), "PATH": "/usr/bin:/bin"}
