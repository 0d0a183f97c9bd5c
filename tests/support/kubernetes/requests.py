"""What a run asks of the API server, counted by the API server: its audit log holds each request of one account."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.playbooks import PlayResult
from support.testbed import settings

from .kubectl import Kubectl

_ACCOUNT = "deployer"


@dataclass(frozen=True)
class Request:
    """One request: when it came (UTC, ISO 8601), and what was asked."""

    at: str
    verb: str
    uri: str

    @property
    def path(self) -> str:
        return self.uri.partition("?")[0]


def account(cluster: Kubectl, folder: Path) -> Kubectl:
    """The cluster as an administrator sees it whose requests, and no others, are in the audit log."""
    namespace = settings.COUNTED_NAMESPACE
    subject = {"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    cluster.within(namespace).apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [subject],
        },
    )
    return as_account(cluster.within(namespace), _ACCOUNT, folder)


def as_account(namespace: Kubectl, name: str, folder: Path) -> Kubectl:
    """The cluster as a service account of a namespace sees it."""
    token = namespace("create", "token", name, "--duration=2h").strip()
    config: dict[str, Any] = json.loads(namespace("config", "view", "--raw", "--output=json"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    file = folder / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config))
    return Kubectl(file, namespace.context)


def remove_account(cluster: Kubectl) -> None:
    cluster("delete", "clusterrolebinding", settings.COUNTED_NAMESPACE, "--ignore-not-found")
    cluster.remove_namespace(settings.COUNTED_NAMESPACE, wait=False)


def seen() -> list[Request]:
    """All that were answered so far."""
    lines = settings.AUDIT_LOG.read_text().splitlines() if settings.AUDIT_LOG.exists() else []
    events = {event["auditID"]: event for event in map(json.loads, lines)}
    return [Request(event["requestReceivedTimestamp"], event["verb"], event["requestURI"]) for event in events.values()]


def by_task(requests: Iterable[Request], result: PlayResult) -> Counter[str]:
    """How many came while each task ran."""
    counted: Counter[str] = Counter()
    for request in requests:
        began = [name for name, start, _end in result.times if start[:26] <= request.at[:26]]
        counted[began[-1] if began else "(before)"] += 1
    return counted
