# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting until what was applied is ready, with one watch for each kind, whatever their number is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..kubernetes import jobs, kinds, rollout
from ..kubernetes.client import Cluster
from ..kubernetes.watch import Selection, Watch
from ..progress import Now, Say
from .existing import Key
from .rendering import FLEET, INSTANCE

# The instance of each object, by kind and name.
Names = Mapping[Key, Mapping[str, str]]
# Kinds that become ready, as the roll-out of a deployment calls them.
_READY = {
    (kinds.KNATIVE, "Service"): kinds.KNATIVE_SERVICE,
    ("apps/v1", "Deployment"): "Deployment",
    ("apps/v1", "StatefulSet"): "StatefulSet",
    ("batch/v1", "Job"): "Job",
}
# All that is watched is gone through at most so often.
_EVERY_SECONDS = 1.0
# So few instances are chosen by their names, which must fit into a URL; of more, the whole fleet is watched.
_CHOSEN = 100
# Of so many failed Jobs their pods are asked why: the others have the same reason, as a rule.
_ASKED = 5


def wait(
    cluster: Cluster,
    namespace: str,
    fleet: str,
    paths: Mapping[Key, str],
    names: Names,
    seconds: float,
    say: Say,
) -> dict[str, str]:
    """Wait until these objects are ready. Those of kinds that never say so are not waited for.

    :returns: of the instances that are not, why; when the time is over, or none can become ready any more.
    :raises ClusterError: the API server is away for too long, or refuses.
    """
    wanted = {kind: names[key] for key, kind in _READY.items() if names.get(key)}
    instances = sorted({instance for objects in wanted.values() for instance in objects.values()})
    chosen = f",{INSTANCE} in ({','.join(instances)})" if len(instances) <= _CHOSEN else ""
    selected = {"labelSelector": f"{FLEET}={fleet}{chosen}"}
    selections = {
        kind: Selection(paths[key], selected, partial(_kept, kind)) for key, kind in _READY.items() if kind in wanted
    }
    total, end, now = len(instances), time.monotonic() + seconds, Now(say)
    if not total:
        return {}
    with Watch(cluster, selections) as seen:
        while True:
            waiting = _unready(seen, wanted)
            left = end - time.monotonic()
            now(partial("{} of {} instances ready".format, total - len(waiting), total))
            if all(one.is_final for one in waiting.values()) or left <= 0:
                failed = [one for one in waiting.values() if one.is_final][:_ASKED]
                why = {one.name: jobs.why_failed(cluster, namespace, one.name) for one in failed}
                return {instance: why.get(one.name, one.reason) for instance, one in waiting.items()}
            seen.change(left)
            pause = time.monotonic() + min(_EVERY_SECONDS, max(left, 0.0))
            while seen.change(pause - time.monotonic()):
                pass


@dataclass(frozen=True)
class _Unready:
    name: str
    reason: str
    is_final: bool = False


def _kept(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an object: its name, and why it is not ready."""
    metadata = item["metadata"]
    final = kind == "Job" and jobs.state_of(item) == "failed"
    return {
        "metadata": {"name": metadata["name"], "resourceVersion": metadata.get("resourceVersion", "")},
        "reason": "it failed" if final else rollout.unready(item, kind),
        "final": final,
    }


def _unready(seen: Watch, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, _Unready]:
    """By instance."""
    waiting: dict[str, _Unready] = {}
    for kind, names in wanted.items():
        there = {one["metadata"]["name"]: one for one in seen.objects(kind)}
        for name, instance in names.items():
            found = there.get(name, {"reason": "it does not exist", "final": False})
            if found["reason"]:
                waiting[instance] = _Unready(name, f"{kind} {name}: {found['reason']}", found["final"])
    return waiting
