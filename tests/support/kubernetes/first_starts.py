"""First starts on an empty database, again and again, without waiting for the playbook each time."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .deployment import Deployment
from .kubectl import SERVER, eventually, name, restarts

_DATABASES = ("mlflow", "mlflow_auth")
_NAIVE = "naive"


def start_over(deployment: Deployment, servers: int) -> float:
    """Empty databases, then servers and setup job at the same moment, as the playbook applies them.

    :returns: the seconds until all servers were ready.
    """
    job = _job_as_it_was_applied(deployment)
    deployment.kubectl("scale", "deployment/mlflow", "--replicas=0")
    deployment.kubectl("delete", "pod", f"--selector=app.kubernetes.io/component={SERVER}", "--grace-period=1")
    deployment.kubectl("delete", "job", "mlflow-setup", "--wait")
    for database in _DATABASES:
        empty(deployment, database)
    start = time.monotonic()
    deployment.kubectl("scale", "deployment/mlflow", f"--replicas={servers}")
    deployment.kubectl.apply(job)
    deployment.wait_until_ready(servers)
    return time.monotonic() - start


def empty(deployment: Deployment, database: str) -> None:
    """The database as it was created on the first day."""
    deployment.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", "postgres")
    deployment.sql(f"CREATE DATABASE {database} OWNER mlflow_owner", "postgres")
    deployment.sql(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC", "postgres")
    deployment.sql(f"GRANT CONNECT ON DATABASE {database} TO mlflow", "postgres")


def ask_all_at_once(deployment: Deployment) -> list[int]:
    """The first request of each server, all at the same moment: each would make the default experiment."""

    def ask(pod: dict[str, Any]) -> int:
        connection = http.client.HTTPConnection(pod["status"]["podIP"], 5000, timeout=60)
        together.wait()
        path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        connection.request("GET", path, headers={"Host": deployment.host})
        return connection.getresponse().status

    pods = deployment.servers()
    together = threading.Barrier(len(pods))
    with ThreadPoolExecutor(len(pods)) as pool:
        return list(pool.map(ask, pods))


def naive(deployment: Deployment, servers: int, seconds: float = 75) -> tuple[int, int]:
    """What comes of plain `mlflow server` on an empty database, as many write it.

    :returns: crashes of containers, and how many servers were ready at last.
    """
    empty(deployment, _NAIVE)
    labels = {"app": _NAIVE}
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    command = ["mlflow", "server", "--host=0.0.0.0", "--workers=1", "--artifacts-destination=/tmp/artifacts",
               f"--backend-store-uri=postgresql+psycopg2://mlflow_owner@mlflow-database/{_NAIVE}"]  # fmt: skip
    container = {
        "name": _NAIVE,
        "image": deployment.servers()[0]["spec"]["containers"][0]["image"],
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [
            {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "mlflow-database", "key": "owner-password"}}}
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "300Mi"}, "limits": {"cpu": "1", "memory": "3Gi"}},
        "securityContext": restricted,
        "readinessProbe": {"httpGet": {"path": "/health", "port": 5000}},
    }
    pod = {
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": servers, "selector": {"matchLabels": labels}, "template": template}
    deployment.kubectl.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": _NAIVE}, "spec": spec}
    )
    try:
        with contextlib.suppress(AssertionError):
            eventually("plain servers ready", lambda: _ready(deployment) == servers, seconds)
        return restarts(deployment.kubectl.items("pods", f"--selector=app={_NAIVE}")), _ready(deployment)
    finally:
        deployment.kubectl("delete", "deployment", _NAIVE, "--wait=false")


def _ready(deployment: Deployment) -> int:
    return int(deployment.kubectl.json("get", "deployment", _NAIVE)["status"].get("readyReplicas", 0))


def _job_as_it_was_applied(deployment: Deployment) -> dict[str, Any]:
    job = deployment.kubectl.json("get", "job", "mlflow-setup")
    spec, metadata = job["spec"], job["metadata"]
    spec.pop("selector")
    for labels in (metadata["labels"], spec["template"]["metadata"]["labels"]):
        for label in [one for one in labels if "controller-uid" in one or "job-name" in one]:
            labels.pop(label)
    kept = {key: metadata[key] for key in ("labels", "annotations")}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name(job), **kept},
        "spec": spec,
    }
