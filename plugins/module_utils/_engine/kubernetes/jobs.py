# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs of a cluster: how they stand, and what their containers returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import protocol
from .client import KIND_PATHS, Cluster, ClusterError
from .pods import container_statuses, last_words, warnings

# Bytes of a termination message; Kubernetes cuts off the rest.
_LONGEST_MESSAGE = 4096


def pods_of(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """The newest one last."""
    return newest_first(cluster.items(f"/api/v1/namespaces/{namespace}/pods", selector(name)))[::-1]


def selector(name: str) -> dict[str, str]:
    """What is asked for the pods of a Job."""
    return {"labelSelector": f"batch.kubernetes.io/job-name={name}"}


def newest_first(pods: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)


def state(cluster: Cluster, namespace: str, name: str) -> str:
    """C(running), C(complete) or C(failed).

    :raises ClusterError: there is no such Job.
    """
    job = cluster.get(KIND_PATHS["Job"].format(namespace=namespace, name=name))
    if job is None:
        raise ClusterError(f"There is no Job {namespace}/{name}: somebody removed it.")
    return state_of(job)


def state_of(job: Mapping[str, Any]) -> str:
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"]).lower()
    return "running"


def results_of(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """What each container of a Job's last pod returned; nothing where the pod is gone already."""
    results: dict[str, Any] = {}
    for pod in pods_of(cluster, namespace, name)[-1:]:
        for status in container_statuses(pod):
            message = ((status.get("state") or {}).get("terminated") or {}).get("message")
            if message:
                # Kubernetes keeps 4096 bytes of it; the log has all of a longer result.
                whole = len(message.encode()) < _LONGEST_MESSAGE
                said = message if whole else cluster.log(namespace, pod["metadata"]["name"], status["name"])
                results[status["name"]] = protocol.result_of(said)
    return results


def why_failed(cluster: Cluster, namespace: str, name: str) -> str:
    for pod in reversed(pods_of(cluster, namespace, name)):
        for status in container_statuses(pod):
            ended = (status.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode"):
                return f"The Job {namespace}/{name} failed at {status['name']}: {last_words(ended)}"
    return f"The Job {namespace}/{name} failed, and its pods are gone. {warnings(cluster, namespace)}"
