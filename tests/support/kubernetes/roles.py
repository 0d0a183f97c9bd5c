"""Who asks the cluster: kubeconfigs, and an account that may do less than is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .kubectl import Kubectl

_NAME = "t-limited"
_ALL = ["*"]


def kubeconfig(server: str, context: str, user: dict[str, Any], authority: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "one", "user": user}],
    }


@contextmanager
def account_without_deployments(cluster: Kubectl, namespace: str) -> Iterator[dict[str, Any]]:
    """The kubeconfig of one who may do all but write Deployments."""
    meta = {"name": _NAME}
    others = ["", "batch", "autoscaling", "policy", "networking.k8s.io", "storage.k8s.io", "metrics.k8s.io"]
    rules = [
        {"apiGroups": others, "resources": _ALL, "verbs": _ALL},
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": _ALL},
        {"apiGroups": ["apps"], "resources": _ALL, "verbs": ["get", "list", "watch"]},
    ]
    subject = {"kind": "ServiceAccount", "name": _NAME, "namespace": namespace}
    binding = {"metadata": {"name": _NAME}, "subjects": [subject]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _NAME}
    rbac = "rbac.authorization.k8s.io/v1"
    try:
        cluster.within(namespace).apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**meta, "namespace": namespace}},
            {"apiVersion": rbac, "kind": "ClusterRole", "metadata": meta, "rules": rules},
            {"apiVersion": rbac, "kind": "ClusterRoleBinding", "roleRef": role, **binding},
        )
        token = cluster.within(namespace)("create", "token", _NAME).strip()
        access = cluster.json("config", "view", "--raw", "--minify")["clusters"][0]["cluster"]
        assert "certificate-authority-data" in access or "certificate-authority" in access
        found = kubeconfig(access["server"], _NAME, {"token": token})
        found["clusters"][0]["cluster"] = access
        yield found
    finally:
        cluster("delete", "clusterrole,clusterrolebinding", _NAME, "--ignore-not-found")
