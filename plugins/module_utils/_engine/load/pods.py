# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the servers of a fleet take over time, by the metrics of their cluster: one list for all pods that are awake.

Clusters tell rates of CPU, as they were some seconds ago, and not seconds: these are the rates times the time between.
"""

from __future__ import annotations

from collections.abc import Collection

from ..kubernetes.client import Cluster, ClusterError
from ..kubernetes.knative import SERVERS, SERVICE
from ..quantities import quantity
from .resources import Watched

_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
# Clusters have new ones every 15 seconds or so.
_EVERY_SECONDS = 5.0


class Fleet:
    """The pods of these instances in a namespace, as one server that is watched."""

    def __init__(self, cluster: Cluster, namespace: str, instances: Collection[str]) -> None:
        self._cluster, self._path, self._instances = cluster, _METRICS.format(namespace), frozenset(instances)
        self._used: dict[str, float] = {}
        self._last: float | None = None

    def watched(self) -> Watched:
        return Watched("fleet", "", read=self._read)

    def _read(self, watched: Watched, at: float) -> None:
        if self._last is not None and at - self._last < _EVERY_SECONDS:
            return
        passed = 0.0 if self._last is None else at - self._last
        self._last = at
        try:
            if self._cluster.get("/apis/metrics.k8s.io/v1beta1") is None:
                watched.why_not = "the cluster tells no metrics of pods: metrics-server is not there"
                return
            found = self._cluster.items(self._path, {"labelSelector": SERVERS})
        except ClusterError as error:
            watched.why_not = str(error).rstrip(".")
            return
        memory = 0
        used = {}
        for pod in found:
            if pod["metadata"].get("labels", {}).get(SERVICE) not in self._instances:
                continue
            name, containers = pod["metadata"]["name"], pod["containers"]
            rate = sum(float(quantity(one["usage"]["cpu"])) for one in containers)
            used[name] = self._used.get(name, 0.0) + rate * passed
            memory += sum(int(quantity(one["usage"]["memory"])) for one in containers)
        self._used = used
        watched.add(at, used, memory, None)
