# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deploying a fleet: compare what is declared with what there is, apply only what differs, say what became of it.

An interrupted run needs nothing: the next one reads again, and goes on with what is left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadInput
from ..kubernetes.client import CONNECTIONS, Cluster
from ..progress import Say, listed, silent
from . import applying, waiting
from .comparison import Difference, compare, pruned
from .declaration import Instance
from .existing import collections, read
from .patience import Patience
from .rendering import Rendering


@dataclass(frozen=True)
class Request:
    """What a fleet shall be.

    C(objects) are those of the sample, rendered with the name C(sample). C(prune) also removes what the fleet has and
    nobody declares, C(prune_data) its volumes and Secrets as well. C(seconds) are those in which everything is
    applied, C(wait_seconds) those in which it gets ready; 0 does not wait.
    """

    fleet: str
    namespace: str
    sample: str
    objects: Sequence[Mapping[str, Any]]
    instances: Sequence[Instance]
    prune: bool = False
    prune_data: bool = False
    concurrency: int = 8
    seconds: float = 3600.0
    wait_seconds: float = 0.0


@dataclass
class _Outcome:
    difference: Difference
    pruned: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    requests: int = 0


def deploy(cluster: Cluster, request: Request, say: Say = silent, *, dry_run: bool = False) -> dict[str, Any]:
    """
    :returns: C(changed); C(created), C(updated), C(stopped) (names of instances), C(pruned) and C(kept) (objects that
        are declared no more); C(failures) (C(name) and C(reason) of each); C(counts) of all, with C(declared) and
        C(unchanged); C(requests) to list and to apply; C(seconds); and C(failed) with C(msg) where something did.
    :raises BadInput: the fleet cannot be this; nothing was changed.
    :raises ClusterError: the cluster does not say what it has; nothing was changed.
    """
    begin = time.monotonic()
    rendering = Rendering(request.objects, request.sample, request.fleet, request.namespace)
    errors = rendering.errors(request.instances)
    if not 1 <= request.concurrency <= CONNECTIONS:
        errors.append(f"concurrency is {request.concurrency}; it must be 1 to {CONNECTIONS}.")
    if errors:
        raise BadInput(" ".join(errors))
    patience = Patience(request.seconds)
    paths = collections(cluster, rendering.keys, request.namespace)
    outcome = _Outcome(compare(request.instances, rendering, read(cluster, paths, patience), request.fleet))
    going, kept = pruned(outcome.difference.undeclared, with_data=request.prune_data)
    outcome.kept = [str(one) for one in (kept if request.prune else outcome.difference.undeclared)]
    going = going if request.prune else []
    outcome.pruned = [str(one) for one in going]
    if not dry_run:
        works = [*outcome.difference.created, *outcome.difference.updated]
        outcome.failures = applying.apply(cluster, works, paths, patience, request.concurrency, say)
        outcome.failures |= applying.remove(cluster, going, paths, patience, request.concurrency, say)
        if request.wait_seconds:
            not_waited_for = {*outcome.failures, *outcome.difference.stopped}
            applied = [work.instance for work in works if work.instance.name not in not_waited_for]
            names = rendering.names(applied)
            outcome.failures |= waiting.wait(
                cluster, request.namespace, request.fleet, paths, names, request.wait_seconds, say
            )
    outcome.requests = patience.requests
    return {**_told(outcome, len(request.instances)), "seconds": round(time.monotonic() - begin, 1)}


def _told(outcome: _Outcome, declared: int) -> dict[str, Any]:
    difference, failures = outcome.difference, outcome.failures
    names: dict[str, list[Any]] = {
        "created": [work.instance.name for work in difference.created],
        "updated": [work.instance.name for work in difference.updated],
        "stopped": difference.stopped,
        "pruned": outcome.pruned,
        "kept": outcome.kept,
        "failures": [{"name": name, "reason": reason} for name, reason in failures.items()],
    }
    told: dict[str, Any] = {
        "changed": bool(names["created"] or names["updated"] or names["pruned"]),
        **names,
        "counts": {
            "declared": declared,
            "unchanged": len(difference.unchanged),
            **{name: len(those) for name, those in names.items()},
        },
        "requests": outcome.requests,
    }
    if failures:
        reasons = [f"{name} ({reason})" for name, reason in failures.items()]
        told |= {
            "failed": True,
            "msg": f"Of {declared} instances {len(failures)} failed, and the others stand; run this again to try just "
            f"those: {listed(reasons, 20)}.",
        }
    return told


def diff(told: Mapping[str, Any]) -> dict[str, str]:
    """What C(deploy) told, as Ansible shows a difference."""
    before = [f"{name} (as it was)" for name in told["updated"]] + list(told["pruned"])
    after = [f"{name} (updated)" for name in told["updated"]] + list(told["created"])
    return {"before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)}
