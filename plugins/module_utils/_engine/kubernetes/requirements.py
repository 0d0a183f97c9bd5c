# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Resource requirements: what rendered manifests take of a cluster at their most, in the words of a ResourceQuota."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ..quantities import quantity
from . import kinds

# In the order in which people think of them.
KEYS = (
    "pods",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
    "persistentvolumeclaims",
    "requests.storage",
)


def of(objects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What the objects take when the autoscaler is at its maximum and a roll-out is under way."""
    listed = list(objects)
    maxima = {
        item["spec"]["scaleTargetRef"]["name"]: int(item["spec"]["maxReplicas"])
        for item in listed
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    total = dict.fromkeys(KEYS, Decimal(0))
    for item in listed:
        spec = item.get("spec") or {}
        if item["kind"] == "PersistentVolumeClaim":
            _add_claim(total, spec)
        pods = _pods(item, maxima)
        if not pods and item["kind"] != "CronJob":
            continue
        pod_spec = (spec["jobTemplate"]["spec"] if item["kind"] == "CronJob" else spec)["template"]["spec"]
        total["pods"] += pods
        for kind in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                total[f"{kind}.{resource}"] += pods * _of_pod(pod_spec, kind, resource)
            # Also of suspended ones: a backup by hand works beside the servers, and needs more than is spare.
            total[f"{kind}.ephemeral-storage"] += max(pods, 1) * _of_pod(pod_spec, kind, "ephemeral-storage")
    return {key: _text(key, number) for key, number in total.items()}


def add(several: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Several resource requirements as one."""
    listed = list(several)
    return {key: _text(key, sum((quantity(one.get(key, 0)) for one in listed), Decimal(0))) for key in KEYS}


def too_small(quota: Mapping[str, Any], needed: Mapping[str, Any]) -> list[str]:
    """The parts of a quota that are below what is needed, each with both figures."""
    return [
        f"{key} {quota[key]} where {needed[key]} is needed"
        for key in KEYS
        if key in quota and key in needed and quantity(quota[key]) < quantity(needed[key])
    ]


def misfits(quotas: Mapping[str, Mapping[str, Any]], needed: Mapping[str, Any], namespace: str) -> list[str]:
    """What is wrong with the quotas of a namespace: one sentence, or none.

    :param quotas: C(hard) of each by its name.
    """
    gaps = [f"{name} has {gap}" for name, hard in quotas.items() for gap in too_small(hard, needed)]
    if not gaps:
        return []
    return [
        f"Quotas of the namespace {namespace} are too small for the autoscaler at its maximum: {'; '.join(gaps)}. Raise"
        f" them, or lower mlflow_server_max_replicas."
    ]


def _pods(item: Mapping[str, Any], maxima: Mapping[str, int]) -> int:
    spec = item.get("spec") or {}
    if item["kind"] in ("Job", "CronJob"):
        # A suspended one runs on request only, while the Job or the servers do not that are counted already.
        return 0 if spec.get("suspend") else 1
    if item["kind"] == "StatefulSet":
        return int(spec.get("replicas", 1))
    if kinds.name_of(item) == kinds.KNATIVE_SERVICE:
        # A new revision comes beside the old one, which ends when its last request has.
        return 2 * int(spec["template"]["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"])
    if item["kind"] != "Deployment":
        return 0
    replicas = max(int(spec.get("replicas", 1)), maxima.get(item["metadata"]["name"], 1))
    return replicas + surge(spec.get("strategy") or {}, replicas)


def surge(strategy: Mapping[str, Any], replicas: int) -> int:
    """How many pods a roll-out adds for a while."""
    if strategy.get("type") == "Recreate":
        return 0
    requested = (strategy.get("rollingUpdate") or {}).get("maxSurge", "25%")
    return math.ceil(replicas * int(requested[:-1]) / 100) if str(requested).endswith("%") else int(requested)


def _of_pod(spec: Mapping[str, Any], kind: str, resource: str) -> Decimal:
    def ask(container: Mapping[str, Any]) -> Decimal:
        return quantity(((container.get("resources") or {}).get(kind) or {}).get(resource, 0))

    # Initial containers run before the others, one after the other.
    return max([sum(map(ask, spec["containers"]), Decimal(0)), *map(ask, spec.get("initContainers") or [])])


def _add_claim(total: dict[str, Decimal], spec: Mapping[str, Any]) -> None:
    total["persistentvolumeclaims"] += 1
    total["requests.storage"] += quantity(spec["resources"]["requests"]["storage"])


def _text(key: str, number: Decimal) -> str:
    if key.endswith("cpu"):
        return f"{math.ceil(number * 1000)}m"
    if key.endswith(("memory", "storage")):
        return f"{math.ceil(number / 1024**2)}Mi"
    return str(math.ceil(number))
