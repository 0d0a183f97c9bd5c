# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster is, and what of a deployment is there. Changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from . import kinds, manifests
from . import secrets as reading
from .client import KIND_PATHS, Cluster
from .jobs import state_of
from .pods import problem_of
from .rollout import unready
from .workload import stopped

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


PROVEN, _RESTARTED = "mlops.mlflow/proven", "kubectl.kubernetes.io/restartedAt"
# What changed settings may make superfluous: it is removed then.
_OPTIONAL_KINDS = (
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy", "backendtlspolicies"),
    ("route.openshift.io/v1", "Route", "routes"),
)


def gather(
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    permissions: Iterable[str] = (),
    secrets: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> dict[str, Any]:
    """What the cluster is and what of a deployment is there already. Changes nothing.

    :param permissions: C(verb resource.group) for each thing that will be done, such as C(create deployments.apps).
    :param secrets: names of Secrets whose keys are wanted; their values are never returned.
    :param groups: API groups that are needed beyond Kubernetes' own, each alone or as C(GROUP/VERSION/KIND).
    """
    version = cluster.get("/version") or {}
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    served = {group["name"] for group in (cluster.get("/apis") or {}).get("groups") or []}
    labelled = _labelled(name)
    inside = f"/api/v1/namespaces/{namespace}"
    return {
        "version": str(version.get("gitVersion", "")),
        "minor": int("".join(filter(str.isdigit, str(version.get("minor", "0")))) or 0),
        "namespace": (found or {}).get("status", {}).get("phase", "absent"),
        "storage_classes": [item["metadata"]["name"] for item in classes],
        "storage_provisioners": {item["metadata"]["name"]: str(item.get("provisioner") or "") for item in classes},
        "default_storage_class": next(
            (
                item["metadata"]["name"]
                for item in classes
                if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
            ),
            "",
        ),
        "metrics": cluster.get("/apis/metrics.k8s.io/v1beta1") is not None if "metrics.k8s.io" in served else False,
        "missing_groups": sorted(one for one in set(groups) if not _is_served(cluster, one, served)),
        "denied": _denied(cluster, namespace, list(permissions)),
        "secrets": {secret: sorted(keys) for secret, keys in reading.of(cluster, namespace, name, secrets).items()},
        "optional": [
            {
                "apiVersion": api_version,
                "kind": kind,
                "metadata": {"name": item["metadata"]["name"], "namespace": namespace},
            }
            for api_version, kind, plural in _OPTIONAL_KINDS
            if api_version.partition("/")[0] in served
            for item in cluster.items(f"/apis/{api_version}/namespaces/{namespace}/{plural}", labelled)
        ],
        "launch": _launch(cluster.get(f"{inside}/configmaps/{name}")),
        "claims": [item["metadata"]["name"] for item in cluster.items(f"{inside}/persistentvolumeclaims", labelled)],
        "quotas": {
            item["metadata"]["name"]: item["spec"].get("hard") or {}
            for item in cluster.items(f"{inside}/resourcequotas")
            if (item["metadata"].get("labels") or {}).get(manifests.PREFIX + "instance") != name
            and not item["spec"].get("scopes")
            and not item["spec"].get("scopeSelector")
        },
        "jobs": {
            item["metadata"]["name"]: {
                "state": state_of(item),
                "checksum": (item["metadata"].get("annotations") or {}).get(manifests.CHECKSUM, ""),
            }
            for item in cluster.items(f"/apis/batch/v1/namespaces/{namespace}/jobs", labelled)
        },
    }


def _is_served(cluster: Cluster, wanted: str, groups: Collection[str]) -> bool:
    group, _slash, rest = wanted.partition("/")
    version, _slash, kind = rest.partition("/")
    if not kind or group not in groups:
        return group in groups
    listed = cluster.get(f"/apis/{group}/{version}") or {}
    return kind in {one["kind"] for one in listed.get("resources") or []}


def serving(deployment: Mapping[str, Any]) -> str:
    """A fingerprint of what its pods are made of. A restart is no other server."""
    template = json.loads(json.dumps(deployment["spec"].get("template") or {}))
    (template.get("metadata", {}).get("annotations") or {}).pop(_RESTARTED, None)
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()


def proven(deployment: Mapping[str, Any]) -> str:
    """The fingerprint that was noted when it was last proven; empty for none."""
    return str(((deployment.get("metadata") or {}).get("annotations") or {}).get(PROVEN, ""))


def state(cluster: Cluster, namespace: str, name: str, workload: str = "Deployment") -> dict[str, Any]:
    """How a deployment's workloads and pods are right now.

    :param workload: what kind the servers' workload is.
    """
    query = _labelled(name)
    workloads, unsettled = [], []
    for kind, plural in (("Deployment", "deployments"), ("StatefulSet", "statefulsets")):
        for item in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}", query):
            if item["metadata"].get("ownerReferences"):
                continue  # a part of another workload
            if reason := unready(item):
                unsettled.append(f"{kind}/{item['metadata']['name']}: {reason}")
            number = item["spec"].get("replicas", 1)
            ready = (item.get("status") or {}).get("readyReplicas", 0)
            numbers = {"wanted": number, "ready": ready, "stopped": number == 0}
            workloads.append({**_workload(kind, item), **numbers, "served": _served(item, numbers)})
    pods = _pods(cluster, namespace, query)
    if workload == kinds.KNATIVE_SERVICE:
        found, reasons = _knative_service(cluster, namespace, name, pods)
        workloads += found
        unsettled += reasons
    return {"workloads": workloads, "unsettled": unsettled, "pods": pods}


def launch_that_served(found: Mapping[str, Any], workloads: Iterable[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """What servers are started with that have data: {} of a first deployment that failed before there was any.

    :param found: what C(gather) returned. :param workloads: as C(state) returned them.
    """
    prepared = (found["jobs"].get(f"{name}-setup") or {}).get("state") == "complete"
    served = any(one["served"] for one in workloads if one["name"] == name)
    return dict(found["launch"]) if prepared or served else {}


def _served(item: Mapping[str, Any], numbers: Mapping[str, Any]) -> bool:
    """Whether it is known to have answered: it does, or did before it was stopped, or when it was proven."""
    return bool(numbers["ready"] or numbers["stopped"] or proven(item))


def _workload(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    labels = item["metadata"].get("labels") or {}
    return {
        "kind": kind,
        "name": item["metadata"]["name"],
        "version": labels.get(manifests.PREFIX + "version", ""),
        "proven": proven(item) == serving(item),
    }


def _knative_service(
    cluster: Cluster, namespace: str, name: str, pods: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The Service of Knative and what keeps it from being ready; of one that was stopped, what was saved."""
    item = cluster.get(KIND_PATHS[kinds.KNATIVE_SERVICE].format(namespace=namespace, name=name))
    saved = stopped(cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")) if item is None else {}
    if not (found := item or saved):
        return [], []
    servers = [pod for pod in pods if pod["component"] == "server"]
    number = {"wanted": len(servers), "ready": sum(pod["ready"] for pod in servers), "stopped": item is None}
    reason = unready(item, kinds.KNATIVE_SERVICE) if item else None
    told = [f"{kinds.KNATIVE_SERVICE}/{name}: {reason}"] if reason else []
    # One that sleeps is ready without a pod.
    served = reason is None or _served(found, number)
    return [{**_workload(kinds.KNATIVE_SERVICE, found), **number, "served": served}], told


def _pods(cluster: Cluster, namespace: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    pods = []
    for pod in cluster.items(f"/api/v1/namespaces/{namespace}/pods", query):
        statuses = pod.get("status", {}).get("containerStatuses") or []
        pods.append(
            {
                "name": pod["metadata"]["name"],
                "component": pod["metadata"]["labels"].get(manifests.COMPONENT, ""),
                "phase": pod.get("status", {}).get("phase", ""),
                "ready": bool(statuses) and all(status.get("ready") for status in statuses),
                "restarts": sum(status.get("restartCount", 0) for status in statuses),
                "problem": problem_of(pod) or "",
            }
        )
    return pods


def _launch(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """What servers are started with, of their ConfigMap; {} where there is none."""
    try:
        launch = json.loads(((found or {}).get("data") or {})["launch.json"])
    except (KeyError, ValueError):
        return {}
    return launch if isinstance(launch, dict) else {}


def _labelled(name: str) -> dict[str, str]:
    return {"labelSelector": f"{manifests.PREFIX}instance={name},{manifests.PREFIX}managed-by={manifests.MANAGER}"}


def _denied(cluster: Cluster, namespace: str, wanted: list[str]) -> list[str]:
    if not wanted or cluster.may(namespace, "*", "*", "*"):
        return []
    denied = []
    for item in wanted:
        verb, _space, resource = item.partition(" ")
        plural, _dot, group = resource.partition(".")
        if not cluster.may(namespace, verb, group, plural):
            denied.append(item)
    return denied
