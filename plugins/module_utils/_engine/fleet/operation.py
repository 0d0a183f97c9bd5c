# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One operation on all instances of a fleet: shares of them, so many Jobs at once, and one result.

Nothing is written down of how far it is: each operation finds at an instance itself whether there is something to do.
So a run that was cut off is gone on with by the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import protocol
from ..errors import BadInput, EngineError, one_line
from ..kubernetes import kinds, manifests, operation_job
from ..kubernetes.client import METADATA_ONLY, Cluster
from ..progress import Now, Say, listed, silent
from .rendering import FLEET, INSTANCE
from .shares import Shares

# Each Job takes four connections: two watches, its log, and the one by which it hears that somebody waits.
MOST_JOBS = 8
# Of one Job, whose pod has volumes for each.
MOST_INSTANCES = 200
# Whoever removes a fleet has declared none any more.
_OF_NONE = ("databases",)


@dataclass(frozen=True)
class Request:
    """What is to be done.

    C(objects) are those of the sample, rendered with the name C(sample), C(options) those of the operation for it.
    C(jobs) run at once, each for at most C(share) instances and C(seconds). With C(skip_deployed) nothing is done for
    instances that are in the cluster: for what comes before these, such as their databases.
    """

    fleet: str
    namespace: str
    sample: str
    operation: str
    objects: Sequence[Mapping[str, Any]]
    instances: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 4
    share: int = 50
    seconds: float = 3600.0
    skip_deployed: bool = False


class _Parts:
    """What became of each instance, from any thread, as the lines of Jobs say it."""

    def __init__(self, total: int, say: Say) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._lock, self._now, self._total = threading.Lock(), Now(say), total

    def line(self, request: protocol.Request, text: str) -> None:
        if (part := protocol.part_of(text, request.id)) and part[0] in request.options["names"]:
            self.add(*part)

    def add(self, name: str, part: Mapping[str, Any]) -> None:
        with self._lock:
            self.found[name] = {
                "changed": part.get("changed") is True,
                "failed": part.get("failed") is True,
                "msg": one_line(part.get("msg") or "", 500),
            }
            self._now(self._progress)

    def _progress(self) -> str:
        failed = sum(part["failed"] for part in self.found.values())
        return f"{len(self.found)} of {self._total} instances" + (f", {failed} failed" if failed else "")


def run(cluster: Cluster, request: Request, say: Say = silent, *, check: bool = False) -> dict[str, Any]:
    """
    :returns: C(changed); C(instances) (C(name) and C(result) of each where something changed or would); C(failures)
        (C(name) and C(reason)); C(counts) (C(declared), C(changed), C(unchanged), C(failures)); C(jobs) that were made;
        C(seconds); and C(failed) with C(msg) where an instance failed.
    :raises BadInput: it cannot be done at all; nothing was done.
    """
    begin = time.monotonic()
    if not 1 <= request.jobs <= MOST_JOBS or not 1 <= request.share <= MOST_INSTANCES:
        raise BadInput(
            f"jobs is {request.jobs} and share is {request.share}; they must be 1 to {MOST_JOBS} and 1 to "
            f"{MOST_INSTANCES}."
        )
    if not request.instances and request.operation not in _OF_NONE:
        raise BadInput(
            f"No instance is declared (mlflow_fleet_instances, mlflow_fleet_count): {request.operation} of none would "
            f"look like success."
        )
    shares = Shares(
        request.objects, request.sample, request.fleet, request.namespace, request.operation, request.options
    )
    parts = _Parts(len(request.instances), say)
    account = kinds.path("v1", request.namespace, "serviceaccounts", f"{request.fleet}-operations")
    if cluster.get(account) is None and check:
        for name in request.instances:
            parts.add(name, {"changed": True, "msg": "could not look: the fleet is not deployed"})
        return _told(request, parts, 0, begin)
    absent = request.options.get("state") == "absent"
    deployed = set(_names(cluster, request, "configmaps", INSTANCE)) if absent or request.skip_deployed else set()
    for name in deployed.intersection(request.instances):
        parts.add(name, {"failed": absent, "msg": "it is deployed: remove it first" if absent else ""})
    for name, claim in _without_volume(cluster, request, shares).items():
        parts.add(name, {"failed": True, "msg": f"there is no PersistentVolumeClaim {claim}"})
    fit = [name for name in request.instances if name not in parts.found]
    # No more in one Job than are needed for all Jobs to have some.
    size = max(min(request.share, -(-len(fit) // request.jobs)), 1)
    split = [fit[start : start + size] for start in range(0, len(fit), size)]
    pool = ThreadPoolExecutor(max_workers=request.jobs)
    try:
        list(pool.map(partial(_carry_out, cluster, request, shares, parts, check), split))
    finally:
        # Who interrupts does not wait for all that has not begun.
        pool.shutdown(cancel_futures=True)
    return _told(request, parts, len(split), begin)


def _carry_out(
    cluster: Cluster, request: Request, shares: Shares, parts: _Parts, check: bool, names: Sequence[str]
) -> None:
    asked = shares.request(names, check=check, seconds=request.seconds)
    job = operation_job.manifest(shares.cron_job(names), asked, at_rest=True)
    reason = "its Job said nothing of it"
    try:
        found = operation_job.carry_out(cluster, job, asked, partial(parts.line, asked), keep=False)
        reason = str(found.get("msg") or reason)
    except EngineError as error:
        reason = str(error)
    for name in names:
        if name not in parts.found:
            parts.add(name, {"failed": True, "msg": reason})


def _without_volume(cluster: Cluster, request: Request, shares: Shares) -> dict[str, str]:
    """Instances that lack a volume, and which. A Job with one of them would not start, for the others neither."""
    if not shares.claims(request.sample):
        return {}
    there = set(_names(cluster, request, "persistentvolumeclaims"))
    missing = {name: [one for one in shares.claims(name) if one not in there] for name in request.instances}
    return {name: claims[0] for name, claims in missing.items() if claims}


def _names(cluster: Cluster, request: Request, plural: str, label: str = "") -> list[str]:
    """The names of objects, whoever made them; or what a label says of those of the fleet."""
    marks = {"labelSelector": f"{FLEET}={request.fleet},{manifests.MANAGED_BY}={manifests.MANAGER}"} if label else {}
    pages = cluster.pages(kinds.path("v1", request.namespace, plural), marks, METADATA_ONLY)
    found = [item["metadata"] for page in pages for item in page.get("items") or []]
    return [str(one["labels"][label] if label else one["name"]) for one in found]


def _told(request: Request, parts: _Parts, jobs: int, begin: float) -> dict[str, Any]:
    ordered = [(name, parts.found[name]) for name in request.instances]
    failures = [{"name": name, "reason": part["msg"]} for name, part in ordered if part["failed"]]
    changed = [
        {"name": name, "result": part["msg"]} for name, part in ordered if part["changed"] and not part["failed"]
    ]
    counts = {
        "declared": len(ordered),
        "changed": len(changed),
        "unchanged": len(ordered) - len(changed) - len(failures),
        "failures": len(failures),
    }
    told = {
        "changed": any(part["changed"] for _name, part in ordered),
        "instances": changed,
        "failures": failures,
        "counts": counts,
        "jobs": jobs,
        "seconds": round(time.monotonic() - begin, 1),
    }
    if failures:
        reasons = listed([f"{one['name']} ({one['reason']})" for one in failures], 20)
        told |= {
            "failed": True,
            "msg": f"Of {len(ordered)} instances {len(failures)} failed, and the others are done; run this again for "
            f"what is left: {reasons}.",
        }
    return told


def diff(told: Mapping[str, Any]) -> dict[str, str]:
    """What C(run) told, as Ansible shows a difference."""
    return {"before": "", "after": "".join(f"{one['name']}: {one['result']}\n" for one in told["instances"])}
