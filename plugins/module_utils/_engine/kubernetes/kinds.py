# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kinds of objects, and the paths under which the API serves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # filters need the names alone
    from .client import Cluster

KNATIVE_GROUP = "serving.knative.dev"
KNATIVE = f"{KNATIVE_GROUP}/v1"
# What we call a Service of Knative: its own kind is that of a Service of Kubernetes.
KNATIVE_SERVICE = "KnativeService"
# What Knative makes of one, below it: these own what else there is of it.
OF_KNATIVE_SERVICES = ("Configuration", "Revision", "Route", "ServerlessService", "PodAutoscaler")
# What deployments are made of, and what others keep in a namespace, in the order of removal: data comes last.
KINDS = (
    ("batch/v1", "CronJob", "cronjobs"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("batch/v1", "Job", "jobs"),
    (KNATIVE, "Service", "services"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("v1", "Pod", "pods"),
    ("route.openshift.io/v1", "Route", "routes"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy", "backendtlspolicies"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("v1", "Service", "services"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("v1", "LimitRange", "limitranges"),
    ("v1", "ResourceQuota", "resourcequotas"),
    ("postgresql.cnpg.io/v1", "Database", "databases"),
    ("postgresql.cnpg.io/v1", "Cluster", "clusters"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "Secret", "secrets"),
)


def path(api_version: str, namespace: str, plural: str, name: str = "") -> str:
    """Of a collection, or of one object of it."""
    return f"{base(api_version)}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


def base(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def collection(cluster: Cluster, api_version: str, kind: str, namespace: str) -> str:
    """The path of the objects of a kind, in a namespace or, where the kind has none, in the cluster; empty where the
    cluster serves no such kind. Asks for unknown ones only."""
    for known in KINDS:
        if known[:2] == (api_version, kind):
            return path(api_version, namespace, known[2])
    for resource in (cluster.get(base(api_version)) or {}).get("resources") or []:
        if resource["kind"] == kind and "/" not in resource["name"]:
            plural = str(resource["name"])
            return path(api_version, namespace, plural) if resource["namespaced"] else f"{base(api_version)}/{plural}"
    return ""


def name_of(item: Mapping[str, Any]) -> str:
    """What the kind of an object is called here."""
    return KNATIVE_SERVICE if (item.get("apiVersion"), item["kind"]) == (KNATIVE, "Service") else str(item["kind"])


def key(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What tells an object from all others of a cluster."""
    metadata = item["metadata"]
    return str(item["apiVersion"]), str(item["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])
