# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The workload that the servers of a deployment are: a Deployment, or a Service of Knative.

Both can be stopped, started and restarted; what that means, only they know.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..errors import BadInput
from . import kinds, manifests, rollout
from .client import KIND_PATHS, Cluster, ClusterError
from .watch import Selection, Watch

# Annotation of the servers' ConfigMap: the Service of Knative that was stopped, as it is applied again.
STOPPED = "mlops.mlflow/stopped"
STATES = ("started", "stopped", "restarted")
# Seconds in which servers have to end.
_END_SECONDS = 180.0
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_MERGE = "application/merge-patch+json"
_KEPT_METADATA = ("name", "namespace", "labels")
# Annotations that Knative and its webhook write, and refuse to others.
_OF_KNATIVE = f"{kinds.KNATIVE_GROUP}/"


class Deployment:
    """Servers that are there until somebody takes them away."""

    kind = "Deployment"

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._path = KIND_PATHS[self.kind].format(namespace=namespace, name=name)

    def bring(self, state: str, replicas: int, seconds: float, *, dry_run: bool = False) -> bool:
        """Bring the servers to a state, and wait until they are there.

        :param state: one of STATES.
        :param replicas: how many are started that were stopped.
        :returns: whether anything was, or would be, changed.
        :raises BadInput: there is no such state.
        :raises ClusterError: it does not exist, or does not get there in time.
        """
        if state not in STATES:
            raise BadInput(f"state is '{state}'; offered are {', '.join(STATES)}.")
        changed = getattr(self, f"_{state}")(replicas, dry_run)
        if not dry_run and state == "stopped":
            self._wait_until_ended()
        elif not dry_run:
            here = [{"kind": self.kind, "name": self._name}]
            rollout.wait(self._cluster, self._namespace, self._name, here, seconds)
        return bool(changed)

    def _started(self, replicas: int, dry_run: bool) -> bool:
        return self._scale(replicas, dry_run)

    def _stopped(self, _replicas: int, dry_run: bool) -> bool:
        # An autoscaler leaves a Deployment without replicas alone.
        return self._scale(0, dry_run)

    def _restarted(self, _replicas: int, dry_run: bool) -> bool:
        # As `kubectl rollout restart` does: one pod after the other, and no request is lost.
        self._there()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if not dry_run:
            self._patch(self._path, {"spec": {"template": {"metadata": {"annotations": {_RESTARTED: now}}}}})
        return True

    def _scale(self, replicas: int, dry_run: bool) -> bool:
        if self._there()["spec"].get("replicas", 1) == replicas:
            return False
        if not dry_run:
            self._patch(self._path, {"spec": {"replicas": replicas}})
        return True

    def _there(self) -> dict[str, Any]:
        found = self._cluster.get(self._path)
        if found is None:
            raise ClusterError(f"There is no {self.kind} {self._namespace}/{self._name}: deploy first.")
        return found

    def _patch(self, path: str, body: Mapping[str, Any]) -> None:
        self._cluster.call("PATCH", path, dict(body), content_type=_MERGE)

    def _ending(self) -> dict[str, Selection]:
        """What must be gone of servers that were stopped. Pods on their way out may still answer, and write."""
        labels = manifests.selector({"name": self._name, "component": "server"})
        selected = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
        return {"pod": Selection(f"/api/v1/namespaces/{self._namespace}/pods", selected)}

    def _wait_until_ended(self) -> None:
        end, ending = time.monotonic() + _END_SECONDS, self._ending()
        with Watch(self._cluster, ending) as seen:
            while left := [f"{kind} {one['metadata']['name']}" for kind in ending for one in seen.objects(kind)]:
                if not seen.change(end - time.monotonic()):
                    raise ClusterError(f"Servers have not ended after {_END_SECONDS:.0f} s: {', '.join(left)}.")


class KnativeService(Deployment):
    """Servers that come with a request and go without. Only one that does not exist is sure to start none: it is
    stopped by being removed, and started as it was saved."""

    kind = kinds.KNATIVE_SERVICE

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        super().__init__(cluster, namespace, name)
        self._note = f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    def _ending(self) -> dict[str, Selection]:
        # It is there until all that it owns has gone, and could not be made anew before.
        return {**super()._ending(), self.kind: Selection.named(self._path)}

    def _started(self, _replicas: int, dry_run: bool) -> bool:
        found = self._cluster.get(self._path)
        saved = stopped(self._cluster.get(self._note))
        if found is None and not saved:
            self._there()
        if not dry_run and found is None:
            self._cluster.apply(self._path, saved, manifests.MANAGER)
        if not dry_run and saved:
            self._patch(self._note, {"metadata": {"annotations": {STOPPED: None}}})
        return found is None

    def _stopped(self, _replicas: int, dry_run: bool) -> bool:
        found = self._cluster.get(self._path)
        if found is None:
            return False
        if not dry_run:
            text = json.dumps(_as_applied(found))
            if self._cluster.call("PATCH", self._note, _noted(text), content_type=_MERGE) is None:
                raise ClusterError(f"There is no ConfigMap {self._namespace}/{self._name}: deploy first.")
            options = {"propagationPolicy": "Foreground", "preconditions": {"uid": found["metadata"]["uid"]}}
            self._cluster.call("DELETE", self._path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        return True


KINDS = {one.kind: one for one in (Deployment, KnativeService)}


def of(cluster: Cluster, kind: str, namespace: str, name: str) -> Deployment:
    """
    :raises BadInput: there is no such kind.
    """
    if kind not in KINDS:
        raise BadInput(f"The kind of the workload is '{kind}'; offered are {', '.join(KINDS)}.")
    return KINDS[kind](cluster, namespace, name)


def stopped(configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was saved of a Service that was stopped; {} where none was.

    :param configuration: the servers' ConfigMap.
    """
    annotations = ((configuration or {}).get("metadata") or {}).get("annotations") or {}
    try:
        saved = json.loads(annotations.get(STOPPED) or "{}")
    except ValueError:
        return {}
    return saved if isinstance(saved, dict) else {}


def _noted(text: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {STOPPED: text}}}


def _as_applied(found: Mapping[str, Any]) -> dict[str, Any]:
    """A Service without what Knative and the API server add."""
    metadata = {name: value for name, value in found["metadata"].items() if name in _KEPT_METADATA}
    annotations = found["metadata"].get("annotations") or {}
    kept = {name: value for name, value in annotations.items() if not name.startswith(_OF_KNATIVE)}
    named = {"apiVersion": kinds.KNATIVE, "kind": "Service", "metadata": {**metadata, "annotations": kept}}
    return {**named, "spec": {"template": found["spec"]["template"]}}
