# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Health of a fleet as its cluster tells it, by a list or three, whatever the number of instances is.

No instance is asked, so that none wakes. What only a server can tell, such as that its database is there, is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..kubernetes import kinds
from ..kubernetes.client import METADATA_ONLY, Cluster
from ..kubernetes.workload import STOPPED
from ..progress import listed
from . import table
from .rendering import INSTANCE

MISSING, STOPPED_BY_SOMEBODY, NO_VOLUME = "missing", "stopped", "no_volume"
_REASONS = {
    table.NOT_READY: "Knative does not say why",
    table.LEAVING: "it is being removed",
    MISSING: "it has no Service of Knative: deploy the fleet again",
}


@dataclass(frozen=True)
class Unhealthy:
    """One instance. C(state) is C(not_ready), C(leaving), C(missing) or C(no_volume)."""

    name: str
    state: str
    reason: str


@dataclass(frozen=True)
class Found:
    """Names of instances. C(declared) are all that there should be, each of them one of C(healthy), C(unhealthy) and
    C(stopped); C(present) are those that are there, of which C(undeclared) should not be."""

    declared: Sequence[str]
    present: Sequence[str]
    healthy: Sequence[str]
    unhealthy: Sequence[Unhealthy]
    stopped: Sequence[str]
    undeclared: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        return {
            name: len(getattr(self, name)) for name in ("declared", "healthy", "unhealthy", "stopped", "undeclared")
        }

    @property
    def verdict(self) -> str:
        """One sentence."""
        return _verdict(self.counts, self.unhealthy)


def inspect(cluster: Cluster, namespace: str, fleet: str, declared: Sequence[str] = ()) -> Found:
    """
    :param declared: names of the instances that there should be; with none, those that are there are all.
    :raises BadInput: the cluster does not serve what fleets are made of.
    :raises ClusterError: no answer, or a refusal.
    """
    lines = {line.name: line for line in table.read(cluster, namespace, fleet)}
    wanted = list(declared) or list(lines)
    absent = [name for name in wanted if name not in lines]
    saved = set(_stopped(cluster, namespace, fleet)) if absent else set()
    stopped = [name for name in absent if name in saved]
    running = set(wanted).difference(stopped)
    volumes = dict(_without_volume(cluster, namespace, fleet))
    found = {name: _unhealthy(name, lines.get(name), volumes) for name in wanted if name in running}
    return Found(
        declared=wanted,
        present=list(lines),
        healthy=[name for name, fault in found.items() if not fault],
        unhealthy=[fault for fault in found.values() if fault],
        stopped=stopped,
        undeclared=[name for name in lines if name not in running],
    )


def check(cluster: Cluster, namespace: str, fleet: str, declared: Sequence[str] = ()) -> dict[str, Any]:
    """What C(inspect) found, as people are told it.

    :returns: C(healthy), C(verdict) (one sentence); C(unhealthy) (C(name), C(state) and C(reason) of each); C(stopped)
        (names of instances whose servers somebody stopped: they are not unhealthy); C(undeclared) (names); C(counts).
    """
    found = inspect(cluster, namespace, fleet, declared)
    return {
        # Of a fleet that is another's, or nowhere, nothing was seen.
        "healthy": bool(found.declared) and not found.unhealthy,
        "verdict": found.verdict,
        "unhealthy": [vars(one) for one in found.unhealthy],
        "stopped": list(found.stopped),
        "undeclared": list(found.undeclared),
        "counts": found.counts,
    }


def _unhealthy(name: str, line: table.Line | None, volumes: Mapping[str, str]) -> Unhealthy | None:
    state = line.state if line else MISSING
    if state != table.READY:
        return Unhealthy(name, state, (line.reason if line else "") or _REASONS[state])
    return Unhealthy(name, NO_VOLUME, volumes[name]) if name in volumes else None


def _stopped(cluster: Cluster, namespace: str, fleet: str) -> Iterator[str]:
    """Instances whose servers are saved in their configuration."""
    path = kinds.path("v1", namespace, "configmaps")
    for page in cluster.pages(path, table.of_fleet(fleet), METADATA_ONLY):
        for item in page.get("items") or []:
            if (item["metadata"].get("annotations") or {}).get(STOPPED):
                yield item["metadata"]["labels"][INSTANCE]


def _without_volume(cluster: Cluster, namespace: str, fleet: str) -> Iterator[tuple[str, str]]:
    """Instances whose volume is gone, and why. One that waits for its first server to be bound is none of them."""
    claims = kinds.path("v1", namespace, "persistentvolumeclaims")
    for page in table.rows(cluster, claims, table.of_fleet(fleet)):
        for cells, metadata in page:
            if cells.get("status") == "Lost":
                yield table.instance_of(metadata), f"the volume of its claim {metadata['name']} is gone (Lost)"


def _verdict(counts: Mapping[str, int], unhealthy: Sequence[Unhealthy]) -> str:
    if not counts["declared"]:
        return "No instance is declared, and none is there: nothing was looked at. Is it another fleet or namespace?"
    others = [f"{counts[name]} {name}" for name in ("stopped", "undeclared") if counts[name]]
    said = f"{counts['healthy']} of {counts['declared']} instances are healthy"
    known = f"{said} ({', '.join(others)})" if others else said
    if not unhealthy:
        return f"{known}. None was asked, and none was woken."
    names = listed([f"{one.name} ({one.state}: {one.reason})" for one in unhealthy], 20)
    return f"{known}, {counts['unhealthy']} are not: {names}."
