"""kill -9 under load: the server is back by itself, and everything that it acknowledged is still there."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client

from ..ports import listeners
from ..servers import API, PATIENCE, create_run, metric_history
from .deployment import Deployment


class Writer:
    """Logs a metric without a pause, and remembers which steps the server acknowledged."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.run_id = create_run(client)
        self.acknowledged: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        self.until(5)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def until(self, count: int) -> None:
        """Wait until so many steps in all were acknowledged."""
        end = time.monotonic() + PATIENCE
        while len(self.acknowledged) < count:
            assert time.monotonic() < end, f"only {len(self.acknowledged)} writes were acknowledged"
            time.sleep(0.02)

    def _write(self) -> None:
        step = 0
        while not self._stop.is_set():
            step += 1
            point = {"run_id": self.run_id, "key": "m", "value": step, "timestamp": step, "step": step}
            try:
                self.client.post(f"{API}/runs/log-metric", point)
                self.acknowledged.append(step)
            except ServerError:
                time.sleep(0.05)


def kill_and_recover(deployment: Deployment, victim: int, record: Any, what: str, credentials: dict[str, str]) -> None:
    """Kill one process under load; wait until the server is deeply healthy again; compare what was acknowledged."""
    with Writer(deployment.client(**credentials)) as writer:
        master, many = deployment.group, len(listeners(deployment.port))
        start = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until_replaced(deployment, victim, many, restarted=victim == master)
        deployment.wait_until_healthy(**credentials)
        seconds = time.monotonic() - start
        writer.until(len(writer.acknowledged) + 5)
    record(f"seconds_until_healthy_after_kill_of_{what}", round(seconds, 1))
    print(f"{what}: healthy again after {seconds:.1f} s")
    wait_until_supervised(deployment)
    assert (deployment.group == master) == (victim != master), "the master was restarted for one worker"
    stored = {point["step"] for point in metric_history(deployment.client(**credentials), writer.run_id, "m")}
    assert set(writer.acknowledged) <= stored, f"{len(set(writer.acknowledged) - stored)} acknowledged points are lost"


def wait_until_replaced(deployment: Deployment, victim: int, many: int, restarted: bool) -> None:
    """Wait until as many as before listen, and all of them belong to the present server.

    The workers of a killed master go on answering until the next start ends them: that is not being back.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            holders = {process: os.getpgid(process) for process in listeners(deployment.port)}
        except ProcessLookupError:  # ended between two looks
            continue
        back = victim not in holders and len(holders) >= many and set(holders.values()) == {deployment.group}
        if back and (deployment.group != victim or not restarted):
            return
        assert time.monotonic() < end, f"processes and their groups: {holders}; the server's is {deployment.group}"
        time.sleep(0.02)


def wait_until_supervised(deployment: Deployment) -> None:
    """Supervisor calls a server RUNNING some seconds after its start."""
    end = time.monotonic() + PATIENCE
    while "RUNNING" not in (status := deployment.supervisorctl("status")):
        assert time.monotonic() < end, status
        time.sleep(0.2)
    assert f"pid {deployment.group}," in status, "supervisor watches something else"
