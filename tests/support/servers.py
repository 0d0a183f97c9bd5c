"""A tracking server started as the platforms start it: the engine's launch, run by the starter."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.names import ListenAddress
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health, launch
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import starter, transfers

from .ports import free_port

# Generous: the machine may be busy, and no test asks how fast something is.
PATIENCE = 180.0
API = "/api/2.0/mlflow"


def transfers_apart(folder: Path) -> dict[str, str]:
    """Settings of a server that keeps transfers apart from the API, with the program for it in a folder."""
    shutil.copy(Path(str(transfers.__file__)), folder / "mlops_mlflow_transfers.py")
    return {"plugins_dir": str(folder), "transfers": "mlops_mlflow_transfers"}


class RunningServer:
    """One server on loopback. C(settings) go into the launch as they are."""

    def __init__(self, environment: Path, profile: str, database: Mapping[str, Any], **settings: Any) -> None:
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="mlops-server-"))
        self.artifacts = self.home / "artifacts"
        self.artifacts.mkdir()
        self.database = dict(database)
        listen = ListenAddress.parse(str(settings.get("host", "127.0.0.1")), "host")
        self.url = listen.url("http", self.port, str(settings.get("static_prefix", "")))
        self.launch_file = self.home / "launch.json"
        self.log = self.home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        intent = {
            "profile": profile,
            "python": str(environment / "bin" / "python"),
            "port": self.port,
            "database": self.database,
            "artifact_store": {"type": "local", "uri": str(self.artifacts)},
            "scratch_dir": str(self.home),
            **settings,
        }
        self.launch_file.write_text(json.dumps(launch.compute(intent).as_dict()))

    @property
    def pid(self) -> int:
        assert self._process, "the server was not started"
        return self._process.pid

    def begin(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, starter.__file__, str(self.launch_file)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.home, start_new_session=True)

    def start(self, **server: Any) -> None:
        self.begin()
        report = health.wait(self.server(**server), health.Wanted("ready"), PATIENCE, 0.2)
        assert report.healthy, f"{report.verdict}\n{self.log.read_text()[-3000:]}"

    def stop(self) -> None:
        """End every process of the server, whatever state a test left it in."""
        if self._process is None:
            return
        for number in (signal.SIGCONT, signal.SIGTERM):
            _signal(self._process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        _signal(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def server(self, **options: Any) -> Server:
        return Server(self.url, **{"timeout": 20.0, **options})

    def check(self, level: str = "deep", timeout: float = 20.0, **wanted: Any) -> health.Report:
        return health.check(self.server(timeout=timeout), health.Wanted(level, **wanted))

    def plain_health(self) -> int:
        """The status of MLflow's own /health."""
        client = Client(self.server())
        try:
            return client.get("/health", expect=None).status
        finally:
            client.close()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def create_run(client: Client, experiment_id: str = "0") -> str:
    return str(client.post(f"{API}/runs/create", {"experiment_id": experiment_id}).json()["run"]["info"]["run_id"])


def metric_history(client: Client, run_id: str, key: str) -> list[dict[str, Any]]:
    query = {"run_id": run_id, "metric_key": key, "max_results": 10000}
    return list(client.get(f"{API}/metrics/get-history", query).json().get("metrics", []))
