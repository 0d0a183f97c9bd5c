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
from . import applying, other_data, trial, waiting, waves
from .comparison import Difference, Work, compare, pruned
from .declaration import Instance
from .existing import Key, collections, read
from .patience import Patience
from .rendering import Rendering


@dataclass(frozen=True)
class Request:
    """What a fleet shall be.

    C(objects) are those of the sample, rendered with the name C(sample). C(prune) also removes what the fleet has and
    nobody declares, C(prune_data) its volumes and Secrets as well. C(seconds) are those in which everything, or each
    wave, is applied, C(wait_seconds) those in which it gets ready; 0 does not wait. C(wave) instances are changed at
    a time, or with 0 all, and C(wave_failures) may fail before it stops. C(accept_other_data): whether instances may go
    on without the data that they have.
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
    wave: int = 0
    wave_failures: int = 0
    accept_other_data: bool = False


@dataclass
class _Outcome:
    difference: Difference
    pruned: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    rolled_out: waves.RollOut = field(default_factory=lambda: waves.RollOut(0))
    requests: int = 0


def deploy(cluster: Cluster, request: Request, say: Say = silent, *, dry_run: bool = False) -> dict[str, Any]:
    """
    :returns: C(changed); C(created), C(updated), C(stopped) (names of instances), C(untried) (that differ still, as no
        wave came to them), C(pruned) and C(kept) (objects that are declared no more; a roll-out that stopped prunes
        none); C(failures) (C(name) and C(reason) of each); C(counts) of all, with C(declared) and C(unchanged);
        C(requests) to list and to apply; C(seconds); and C(failed) with C(msg) where something did.
    :raises BadInput: the fleet cannot be this; nothing was changed.
    :raises ClusterError: the cluster does not say what it has; nothing was changed.
    """
    begin = time.monotonic()
    rendering = Rendering(request.objects, request.sample, request.fleet, request.namespace)
    errors = rendering.errors(request.instances)
    if not 1 <= request.concurrency <= CONNECTIONS:
        errors.append(f"concurrency is {request.concurrency}; it must be 1 to {CONNECTIONS}.")
    errors += waves.errors(request.objects, request.wave, request.wave_failures, request.wait_seconds)
    if errors:
        raise BadInput(" ".join(errors))
    patience = Patience(request.seconds)
    paths = collections(cluster, rendering.keys, request.namespace)
    outcome = _Outcome(compare(request.instances, rendering, read(cluster, paths, patience), request.fleet))
    if not request.accept_other_data:
        other_data.refuse(cluster, outcome.difference.updated, paths)
    if outcome.difference.created or outcome.difference.updated:
        trial.check(cluster, rendering, request.sample, request.namespace, paths, patience)
    if not dry_run:
        outcome.rolled_out = _roll_out(cluster, request, rendering, outcome.difference, paths, patience, say)
        outcome.failures = dict(outcome.rolled_out.failures)
    prunes = request.prune and not outcome.rolled_out.untried
    going, kept = pruned(outcome.difference.undeclared, with_data=request.prune_data)
    outcome.kept = [str(one) for one in (kept if prunes else outcome.difference.undeclared)]
    going = going if prunes else []
    outcome.pruned = [str(one) for one in going]
    if not dry_run:
        patience.begin()
        outcome.failures |= applying.remove(cluster, going, paths, patience, request.concurrency, say)
    outcome.requests = patience.requests
    return {**_told(outcome, len(request.instances)), "seconds": round(time.monotonic() - begin, 1)}


def _roll_out(
    cluster: Cluster,
    request: Request,
    rendering: Rendering,
    difference: Difference,
    paths: Mapping[Key, str],
    patience: Patience,
    say: Say,
) -> waves.RollOut:
    def apply(works: Sequence[Work]) -> dict[str, str]:
        patience.begin()
        return applying.apply(cluster, works, paths, patience, request.concurrency, say)

    def wait(instances: Sequence[Instance]) -> dict[str, str]:
        if not request.wait_seconds:
            return {}
        names = rendering.names([one for one in instances if one.name not in stopped])
        return waiting.wait(cluster, request.namespace, request.fleet, paths, names, request.wait_seconds, say)

    stopped, unchanged = set(difference.stopped), set(difference.unchanged)
    return waves.roll_out(
        [*difference.created, *difference.updated],
        [one for one in request.instances if one.name in unchanged] if request.wave else [],
        size=request.wave,
        tolerated=request.wave_failures,
        apply=apply,
        wait=wait,
        say=say,
    )


def _told(outcome: _Outcome, declared: int) -> dict[str, Any]:
    difference, failures, untried = outcome.difference, outcome.failures, set(outcome.rolled_out.untried)
    names: dict[str, list[Any]] = {
        "created": [work.instance.name for work in difference.created if work.instance.name not in untried],
        "updated": [work.instance.name for work in difference.updated if work.instance.name not in untried],
        "stopped": difference.stopped,
        "untried": outcome.rolled_out.untried,
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
        told |= {"failed": True, "msg": _why_failed(outcome, declared)}
    return told


def _why_failed(outcome: _Outcome, declared: int) -> str:
    reasons = listed([f"{name} ({reason})" for name, reason in outcome.failures.items()], 20)
    failed = f"Of {declared} instances {len(outcome.failures)} failed"
    if not (untried := outcome.rolled_out.untried):
        return f"{failed}, and the others stand; run this again to try just those: {reasons}."
    done = outcome.rolled_out
    where = f"after wave {done.begun} of {done.waves}" if done.begun else f"before the first of {done.waves} waves"
    return (
        f"{failed}: {reasons}. The roll-out stopped {where}: the {len(untried)} instances from {untried[0]} on are as "
        f"they were. Run this again when the cause is gone: it waits for what is not ready, and goes on from there."
    )


def diff(told: Mapping[str, Any]) -> dict[str, str]:
    """What C(deploy) told, as Ansible shows a difference."""
    before = [f"{name} (as it was)" for name in told["updated"]] + list(told["pruned"])
    after = [f"{name} (updated)" for name in told["updated"]] + list(told["created"])
    return {"before": "".join(f"{one}\n" for one in before), "after": "".join(f"{one}\n" for one in after)}
