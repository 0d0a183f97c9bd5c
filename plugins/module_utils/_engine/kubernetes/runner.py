# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an operation runs on Kubernetes: in a pod of the deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import protocol
from . import manifests
from .client import Cluster, ClusterError
from .pods import problem_of, readiness


def run_ops(
    cluster: Cluster, namespace: str, name: str, arguments: Sequence[str], timeout: float, component: str = "server"
) -> dict[str, Any]:
    """Run C(mlflow-ops) in a ready pod of the deployment and return what it found.

    :raises ClusterError: no pod is ready, or the command died.
    """
    labels = manifests.selector({"name": name, "component": component})
    pods = cluster.items(
        f"/api/v1/namespaces/{namespace}/pods",
        {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())},
    )
    alive = [
        pod
        for pod in pods
        if pod["status"]["phase"] == "Running"
        and not pod["metadata"].get("deletionTimestamp")
        and any("running" in (status.get("state") or {}) for status in pod["status"].get("containerStatuses") or [])
    ]
    if not alive:
        problems = "; ".join(f"{pod['metadata']['name']}: {problem_of(pod) or pod['status']['phase']}" for pod in pods)
        raise ClusterError(f"No pod of {namespace}/{name} is running. {problems or 'There is none at all.'}")
    # A pod that is not ready can tell why; one that is can tell more.
    pod = sorted(alive, key=readiness, reverse=True)[0]
    container = pod["spec"]["containers"][0]["name"]
    said = cluster.execute(namespace, pod["metadata"]["name"], container, ["mlflow-ops", *arguments], timeout)
    return {**protocol.result_of(said), "pod": pod["metadata"]["name"]}
