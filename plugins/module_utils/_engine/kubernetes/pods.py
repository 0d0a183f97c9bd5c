# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pods of a cluster: what keeps them from being ready, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .. import protocol
from .client import Cluster

# A pull may fail once for a passing reason; these say that the kubelet has given up for now.
_FINAL_WAITS = {
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
}


_CRASHES_ALLOWED = 3


def problem_of(pod: Mapping[str, Any], final: bool = False) -> str | None:
    """What keeps a pod from being ready, in words; with C(final) only what waiting will not fix."""
    for status in container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _FINAL_WAITS:
            image = f" (image {status['image']})" if "Image" in reason else ""
            return f"{reason}{image}: {waiting.get('message', '')}"
        crashed = ((status.get("lastState") or {}).get("terminated")) or {}
        if reason == "CrashLoopBackOff" and (not final or status.get("restartCount", 0) >= _CRASHES_ALLOWED):
            return f"container {status['name']} crashed {status.get('restartCount', 0)} times: {last_words(crashed)}"
    if final:
        return None
    for condition in pod["status"].get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"no node takes it: {condition.get('message', '')}"
    for status in pod["status"].get("containerStatuses") or []:
        if not status.get("ready") and "running" in (status.get("state") or {}):
            return f"container {status['name']} runs, but is not ready"
    return None


def container_statuses(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def last_words(ended: Mapping[str, Any]) -> str:
    """The last words of a container: the message of mlflow-ops, else the end of its log."""
    message = str(ended.get("message") or "").strip()
    for line in reversed(message.splitlines()):
        if line.startswith(protocol.PREFIX):
            try:
                return str(json.loads(line.removeprefix(protocol.PREFIX)).get("msg") or message)
            except (ValueError, AttributeError, RecursionError):  # whatever the container has written there
                break
    return " | ".join(message.splitlines()[-5:]) or f"{ended.get('reason')} (exit status {ended.get('exitCode')})"


def why_no_pod(cluster: Cluster, namespace: str, job: str) -> str:
    """What the API server says to the pods of a Job, a full quota for instance; empty where it refused none."""
    of_the_job = f"involvedObject.kind=Job,involvedObject.name={job},reason=FailedCreate"
    refused = _newest(cluster.items(f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": of_the_job}))
    said = str(refused[-1]["message"]) if refused else ""
    if "exceeded quota" in said:
        said += (
            ". Make room in the namespace, or raise its quota: cluster_prerequisites_quota_spare is what it has beyond "
            "the deployment, and a backup needs mlflow_backup_scratch_size of it."
        )
    return said


def warnings(cluster: Cluster, namespace: str, limit: int = 3) -> str:
    """The last warnings among a namespace's events."""
    events = cluster.items(f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": "type=Warning"})
    told = [
        f"{event['involvedObject']['kind']}/{event['involvedObject']['name']}: {event['message']}"
        for event in _newest(events)[-limit:]
    ]
    return f"Last warnings: {' | '.join(told)}" if told else ""


def readiness(pod: Mapping[str, Any]) -> bool:
    return all(status.get("ready") for status in pod["status"].get("containerStatuses") or [])


def _newest(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest last."""
    return sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
