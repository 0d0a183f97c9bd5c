# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roll-outs: waiting until workloads are ready, and ending with the reason when they cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import jobs, kinds, manifests
from .client import KIND_PATHS, Cluster, ClusterError
from .pods import problem_of, warnings
from .watch import Selection, Watch

_REVISION = "deployment.kubernetes.io/revision"
_REVISION_OF_KNATIVE = "serving.knative.dev/revision"
# Kinds that are as they shall be when a condition says so.
_CONDITIONS = {"CustomResourceDefinition": "Established", kinds.KNATIVE_SERVICE: "Ready"}
# Keys of what is watched besides the workloads, which have Kind/name.
_PODS, _REPLICA_SETS = "pods", "replicasets"


def wait(
    cluster: Cluster,
    namespace: str,
    name: str,
    workloads: Sequence[Mapping[str, str]],
    seconds: float,
    say: Callable[[str], None] = lambda _text: None,
) -> dict[str, Any]:
    """Wait until every workload is rolled out, and end at once when one cannot be.

    :param workloads: C(kind) (Deployment, StatefulSet, Job, KnativeService, CustomResourceDefinition) and C(name).
    :returns: C(seconds) waited, and C(jobs) (what each container of each Job returned).
    :raises ClusterError: a pod cannot start, a Job failed, or the time is over; pods, reasons and logs are named.
    """
    start = time.monotonic()
    selections = {
        _key(item): Selection.named(KIND_PATHS[item["kind"]].format(namespace=namespace, name=item["name"]))
        for item in workloads
    }
    of_the_deployment = {"labelSelector": f"{manifests.PREFIX}instance={name}"}
    selections[_PODS] = Selection(f"/api/v1/namespaces/{namespace}/pods", of_the_deployment)
    selections[_REPLICA_SETS] = Selection(f"/apis/apps/v1/namespaces/{namespace}/replicasets", of_the_deployment)
    pending: list[str] = []
    with Watch(cluster, selections) as seen:
        while True:
            listed = {_key(item): next(iter(seen.objects(_key(item))), None) for item in workloads}
            now = [f"{key}: {reason}" for key, item in listed.items() if (reason := unready(item, _kind(key)))]
            if not now:
                break
            if now != pending:
                say("; ".join(now))
                pending = now
            for key, item in listed.items():
                if item and key.startswith("Job/") and jobs.state_of(item) == "failed":
                    raise ClusterError(jobs.why_failed(cluster, namespace, key.partition("/")[2]))
            living = _pods_of_the_roll_out(listed, seen.objects(_PODS), seen.objects(_REPLICA_SETS))
            problems = {pod["metadata"]["name"]: problem_of(pod, final=True) for pod in living}
            if final := [f"Pod {namespace}/{pod}: {problem}" for pod, problem in problems.items() if problem]:
                raise ClusterError(" ".join(final[:3]))
            if not seen.change(start + seconds - time.monotonic()):
                reasons = [f"pod {pod['metadata']['name']}: {why}" for pod in living if (why := problem_of(pod))]
                raise ClusterError(
                    f"Not ready after {seconds:.0f} s: {'; '.join(now)}. {'; '.join(reasons)} "
                    f"{warnings(cluster, namespace)}".strip()
                )
    return {
        "seconds": round(time.monotonic() - start, 1),
        "jobs": {
            item["name"]: jobs.results_of(cluster, namespace, item["name"])
            for item in workloads
            if item["kind"] == "Job"
        },
    }


def _kind(key: str) -> str:
    return key.partition("/")[0]


def _key(workload: Mapping[str, str]) -> str:
    return f"{workload['kind']}/{workload['name']}"


def _pods_of_the_roll_out(
    workloads: Mapping[str, Mapping[str, Any] | None],
    pods: Sequence[Mapping[str, Any]],
    replica_sets: Sequence[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """The pods that the workloads make now. What an earlier roll-out left does not count, and no other component."""
    owners: dict[str, dict[str, str]] = {}
    for key, item in workloads.items():
        if item is None or _is_unseen(item):
            continue
        kind, status, uid = _kind(key), item.get("status") or {}, item["metadata"]["uid"]
        if kind == "Deployment":
            owners |= {one: {} for one in _rolled_out(item, replica_sets)}
        elif kind == kinds.KNATIVE_SERVICE:
            revision = {_REVISION_OF_KNATIVE: status.get("latestCreatedRevisionName", "")}
            owners |= {one["metadata"]["uid"]: revision for one in replica_sets}
        elif kind == "StatefulSet":
            owners[uid] = {"controller-revision-hash": status.get("updateRevision", "")}
        else:
            owners[uid] = {}
    return [
        pod
        for pod in pods
        # Nor does a Job's failed try, or a pod on its way out.
        if not pod["metadata"].get("deletionTimestamp") and pod["status"]["phase"] != "Failed"
        for owner in pod["metadata"].get("ownerReferences") or []
        if owner["uid"] in owners and owners[owner["uid"]].items() <= pod["metadata"]["labels"].items()
    ]


def _rolled_out(deployment: Mapping[str, Any], replica_sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """The uid of the ReplicaSet that a Deployment rolls out now."""
    revision = (deployment["metadata"].get("annotations") or {}).get(_REVISION)
    return [
        found["metadata"]["uid"]
        for found in replica_sets
        if (found["metadata"].get("annotations") or {}).get(_REVISION) == revision
        and any(owner["uid"] == deployment["metadata"]["uid"] for owner in found["metadata"]["ownerReferences"])
    ]


def _is_unseen(item: Mapping[str, Any]) -> bool:
    """Whether the controller has not observed the last change yet. Jobs do not say, and are never changed."""
    is_job = "backoffLimit" in (item.get("spec") or {})
    seen = (item.get("status") or {}).get("observedGeneration", 0)
    return not is_job and seen < item["metadata"].get("generation", 0)


def unready(item: Mapping[str, Any] | None, kind: str = "") -> str | None:
    """Why a workload is not rolled out yet; None when it is.

    :param kind: as C(wait) has it, of kinds that a condition tells of; lists of the API server do not hold it.
    """
    if item is None:
        return "does not exist"
    status, wanted = item.get("status") or {}, (item.get("spec") or {}).get("replicas", 1)
    if item.get("kind") == "Job" or "backoffLimit" in (item.get("spec") or {}):
        return None if jobs.state_of(item) == "complete" else "not finished"
    # The controller of definitions observes nothing that we could wait for.
    if kind != "CustomResourceDefinition" and _is_unseen(item):
        return "not observed yet"
    if condition := _CONDITIONS.get(kind):
        return _untrue(status.get("conditions") or [], condition)
    for condition in status.get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"pods are refused: {condition.get('message', '')}"
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if updated < wanted or ready < wanted or status.get("replicas", 0) > wanted:
        return f"{min(updated, ready)} of {wanted} ready"
    return None


def _untrue(conditions: Sequence[Mapping[str, Any]], name: str) -> str | None:
    found = next((one for one in conditions if one["type"] == name), {})
    if found.get("status") == "True":
        return None
    return f"not {name.lower()}: {found.get('message') or found.get('reason') or 'nobody has said why yet'}"
