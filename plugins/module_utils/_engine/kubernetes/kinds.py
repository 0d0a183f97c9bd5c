# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kinds of objects, and the paths under which the API serves them."""

from __future__ import annotations

from .client import Cluster

# What deployments are made of, and what others keep in a namespace, in the order of removal: data comes last.
KINDS = (
    ("batch/v1", "CronJob", "cronjobs"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("batch/v1", "Job", "jobs"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("v1", "Pod", "pods"),
    ("route.openshift.io/v1", "Route", "routes"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
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


def plural_of(cluster: Cluster, api_version: str, kind: str) -> str:
    """What the collection of a kind is called; empty where the cluster serves none. Asks for unknown ones only."""
    for known in KINDS:
        if known[:2] == (api_version, kind):
            return known[2]
    for resource in (cluster.get(base(api_version)) or {}).get("resources") or []:
        if resource["kind"] == kind and resource["namespaced"] and "/" not in resource["name"]:
            return str(resource["name"])
    return ""
