# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a fleet is like, as its cluster tells it. No instance is asked, so that none wakes."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping

from ..fleet import declaration, health, servers, table
from ..fleet.servers import Servers
from ..kubernetes import in_cluster
from ..kubernetes.client import Gone, Unavailable
from .metrics import BROKEN, Reading, Sample
from .settings import Settings

# A healthy instance is one of these.
AWAKE, STARTING, SLEEPING = "awake", "starting", "sleeping"
UNHEALTHY = "unhealthy"
STATES = (AWAKE, STARTING, SLEEPING, UNHEALTHY, "stopped", "undeclared")
FAULTS = (table.NOT_READY, table.LEAVING, health.MISSING, health.NO_VOLUME)
# So many are named: a series for each of thousands would cost more than what they tell.
NAMED = 20
# Whoever is away for a moment takes no values away, because an alert would begin to wait anew.
_TRIES, _PAUSE_SECONDS = 3, 2.0


class Fleet:
    """Reads it, and saves since when each instance is seen to be unhealthy.

    :raises BadInput: no fleet is declared so.
    """

    def __init__(self, settings: Settings) -> None:
        told = settings.fleet
        listed = [{"name": name} for name in told.get("instances") or []]
        self._name, self._namespace = settings.name, str(told.get("namespace") or "")
        self._declared = declaration.names(listed, count=int(told.get("count") or 0), pattern=str(told.get("pattern")))
        self._since: dict[str, float] = {}

    def __call__(self) -> Reading:
        for _again in range(_TRIES - 1):
            with contextlib.suppress(Gone, Unavailable):
                return self._read()
            time.sleep(_PAUSE_SECONDS)
        return self._read()

    def _read(self) -> Reading:
        cluster = in_cluster.connect()
        pods = servers.read(cluster, self._namespace)
        found = health.inspect(cluster, self._namespace, self._name, self._declared)
        now = time.time()
        self._since = {one.name: self._since.get(one.name, now) for one in found.unhealthy}
        samples = [*_instances(found, pods), *_servers(found, pods), *self._named(found)]
        return Reading(samples, BROKEN, found.verdict) if found.unhealthy else Reading(samples)

    def _named(self, found: health.Found) -> Iterator[Sample]:
        for one in sorted(found.unhealthy, key=lambda one: (self._since[one.name], one.name))[:NAMED]:
            since = self._since[one.name]
            yield Sample("fleet_unhealthy_since_timestamp_seconds", since, (one.name, one.state))


def _instances(found: health.Found, pods: Mapping[str, Servers]) -> Iterator[Sample]:
    healthy = Counter(_state(pods.get(name)) for name in found.healthy)
    faults = Counter(one.state for one in found.unhealthy)
    yield from (Sample("fleet_instances", float({**found.counts, **healthy}.get(one, 0)), (one,)) for one in STATES)
    yield Sample("fleet_instances_declared", float(len(found.declared)))
    yield Sample("fleet_instances_present", float(len(found.present)))
    yield from (Sample("fleet_instances_unhealthy", float(faults[one]), (one,)) for one in FAULTS)


def _state(pods: Servers | None) -> str:
    if pods is None:
        return SLEEPING
    return AWAKE if pods.ready else STARTING


def _servers(found: health.Found, pods: Mapping[str, Servers]) -> Iterator[Sample]:
    own = [pods[name] for name in found.present if name in pods]
    yield Sample("fleet_servers", float(sum(one.ready for one in own)), ("ready",))
    yield Sample("fleet_servers", float(sum(one.starting for one in own)), ("starting",))
    if starts := [pods[name].since for name in found.healthy if name in pods and not pods[name].ready]:
        yield Sample("fleet_starting_since_timestamp_seconds", min(starts))
