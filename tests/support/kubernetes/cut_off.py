"""Operations of a deployment in the cluster that are cut off: begun as a module begins them, and ended in some way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from support.playbooks import REPOSITORY

from .deployment import Deployment
from .kubectl import eventually, name

WAYS = ("kill the client", "interrupt the client", "kill the pod", "deadline")
# For which an operation waits for a word in these tests, instead of a minute.
SILENCE_SECONDS = 5
# Who asked: a module. Says when it has begun, and in the end what it was told.
_CLIENT = f"""
import json, sys
import kubernetes
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import attendance, client, operation_job
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.runner import KubernetesRunner
operation_job.SILENCE_SECONDS, attendance._BEAT_SECONDS = {SILENCE_SECONDS}, 1
kubeconfig, context, namespace, image, request = sys.argv[1:]
api = kubernetes.config.new_client_from_config(kubeconfig, context)
print("begun", flush=True)
try:
    found = KubernetesRunner(client.Cluster(api), namespace, "mlflow", image=image).run(
        protocol.Request(**json.loads(request)), lambda line: print(line, file=sys.stderr)
    )
except EngineError as error:
    found = {{"failed": True, "msg": str(error)}}
print(json.dumps(found))
"""


_HOLDERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@dataclass(frozen=True)
class Operation:
    """One that can be begun again and again. C(image): instead of the deployment's own."""

    where: Deployment
    name: str
    options: dict[str, Any]
    image: str = ""

    def whole(self) -> float:
        """Nobody ends it, and it succeeds. Gives how long it took."""
        began = time.monotonic()
        client = self._begin()
        found = _ended(client)
        assert client.returncode == 0 and "failed" not in found, found
        return time.monotonic() - began

    def cut_off(self, way: str, seconds: float) -> str:
        """Begin it, end it after so many seconds, and see that nothing of it runs on. Gives what was told."""
        client = self._begin(seconds if way == "deadline" else 0.0)
        if way != "deadline":
            time.sleep(seconds)
        if way == "kill the client":
            client.send_signal(signal.SIGKILL)
        elif way == "interrupt the client":
            client.send_signal(signal.SIGINT)
        elif way == "kill the pod":
            eventually("the pod is there", lambda: self._pods() or client.poll() is not None, 60, every=0.1)
            if pods := self._pods():
                self.where.kubectl("delete", "pod", *pods, "--force", "--grace-period=0", check=False)
        said = _ended(client)
        eventually(f"after '{way}' no Job runs on", lambda: not active_jobs(self.where), 60)
        eventually(f"after '{way}' no pod runs on", lambda: not self._pods(), 60)
        eventually(f"after '{way}' the lock is free", lambda: self.where.sql(_HOLDERS, "postgres") == "0", 30)
        return str(said.get("msg") or said.get("log") or "done")[-300:]

    def _begin(self, deadline: float = 0.0) -> subprocess.Popen[str]:
        request = json.dumps({"operation": self.name, "options": self.options, "deadline": deadline})
        kubectl = self.where.kubectl
        access = [str(kubectl.kubeconfig), kubectl.context, self.where.namespace]
        client = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, *access, self.image, request],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / ".dev")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert client.stdout and client.stdout.readline() == "begun\n", client.communicate()[1]
        return client

    def _pods(self) -> list[str]:
        found = self.where.kubectl.items("pods", "--selector=batch.kubernetes.io/job-name")
        over = ("Succeeded", "Failed")
        return [name(pod) for pod in found if f"-{self.name}-" in name(pod) and pod["status"]["phase"] not in over]


def active_jobs(where: Deployment) -> list[str]:
    return [name(job) for job in where.kubectl.items("jobs") if job["status"].get("active")]


def _ended(client: subprocess.Popen[str]) -> dict[str, Any]:
    """What a client was told in the end, or else what it logged."""
    said, log = client.communicate(timeout=240)
    try:
        return dict(json.loads(said))
    except ValueError:
        return {"log": log}
