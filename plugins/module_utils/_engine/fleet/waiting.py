# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting until what was applied is ready, with one watch for each kind, whatever their number is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..kubernetes import kinds, rollout
from ..kubernetes.client import Cluster
from ..kubernetes.watch import Selection, Watch
from ..progress import Now, Say
from .existing import Key
from .rendering import FLEET, INSTANCE

# Kinds that become ready, as the roll-out of a deployment calls them.
_READY = {
    (kinds.KNATIVE, "Service"): kinds.KNATIVE_SERVICE,
    ("apps/v1", "Deployment"): "Deployment",
    ("apps/v1", "StatefulSet"): "StatefulSet",
    ("batch/v1", "Job"): "Job",
}
# All that is watched is gone through at most so often.
_EVERY_SECONDS = 1.0


def wait(
    cluster: Cluster, fleet: str, paths: Mapping[Key, str], names: Iterable[str], seconds: float, say: Say
) -> dict[str, str]:
    """Wait until these instances are ready.

    :returns: of the instances that are not, why; when the time is over.
    :raises ClusterError: the API server is away for too long, or refuses.
    """
    selected = {"labelSelector": f"{FLEET}={fleet}"}
    selections = {kind: Selection(paths[key], selected, _keeping(kind)) for key, kind in _READY.items() if key in paths}
    wanted = set(names)
    if not selections or not wanted:
        return {}
    end, now, total = time.monotonic() + seconds, Now(say), len(wanted)
    with Watch(cluster, selections) as seen:
        while True:
            waiting = _unready(seen, selections, wanted)
            ready = total - len(waiting)
            now(lambda ready=ready: f"{ready} of {total} instances ready")  # type: ignore[misc]
            left = end - time.monotonic()
            if not waiting or left <= 0:
                return waiting
            seen.change(left)
            pause = time.monotonic() + min(_EVERY_SECONDS, max(left, 0.0))
            while seen.change(pause - time.monotonic()):
                pass


def _keeping(kind: str) -> Any:
    """What is kept of an object: its name, its instance and why it is not ready."""

    def keep(item: dict[str, Any]) -> dict[str, Any]:
        metadata = item["metadata"]
        return {
            "metadata": {"name": metadata["name"], "resourceVersion": metadata.get("resourceVersion", "")},
            "instance": (metadata.get("labels") or {}).get(INSTANCE, ""),
            "reason": rollout.unready(item, kind),
        }

    return keep


def _unready(seen: Watch, selections: Mapping[str, Selection], wanted: set[str]) -> dict[str, str]:
    waiting: dict[str, str] = {}
    for kind in selections:
        objects = seen.objects(kind)
        there = {one["instance"] for one in objects}
        waiting |= dict.fromkeys(wanted - there, f"its {kind} does not exist")
        waiting |= {
            one["instance"]: f"{kind} {one['metadata']['name']}: {one['reason']}"
            for one in objects
            if one["reason"] and one["instance"] in wanted
        }
    return waiting
