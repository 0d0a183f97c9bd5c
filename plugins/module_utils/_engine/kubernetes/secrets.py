# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets of a cluster: what is missing is made, and what exists is changed only where somebody says so."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..errors import BadInput
from . import manifests
from .client import Cluster, ClusterError


def ensure_secret(
    cluster: Cluster,
    namespace: str,
    name: str,
    values: Mapping[str, Callable[[], str]],
    labels: Mapping[str, str],
    *,
    kind: str = "Opaque",
    guarded_claim: str = "",
    replaces: Collection[str] = (),
    dry_run: bool = False,
) -> list[str]:
    """Create the keys of a Secret that do not exist yet; what exists is never changed, but for C(replaces).

    :param values: makes the value of each key.
    :param guarded_claim: volume that holds data made with the secret: where it exists, no new secret would fit.
    :param replaces: keys that get another value, also where they exist.
    :returns: the keys that were (or would be) written.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets"
    found = cluster.get(f"{path}/{name}")
    missing = [key for key in values if key in replaces or key not in ((found or {}).get("data") or {})]
    if not missing:
        return []
    if guarded_claim and cluster.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{guarded_claim}"):
        raise BadInput(
            f"The volume {namespace}/{guarded_claim} exists, but the Secret {name} lacks {', '.join(missing)}: new "
            f"passwords would not open its data. Restore the Secret, or remove the volume if its data is not wanted."
        )
    if found is not None and not is_of(found, labels[manifests.PREFIX + "instance"]):
        raise BadInput(
            f"The Secret {namespace}/{name} exists, was not made by this deployment, and lacks {', '.join(missing)}: "
            f"add them, or remove it, or set mlflow_name to another one."
        )
    if not dry_run:
        data = {key: base64.b64encode(values[key]().encode()).decode() for key in missing}
        if found is None:
            metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
            body = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data}
            cluster.call("POST", path, body)
        else:
            cluster.call("PUT", f"{path}/{name}", {**found, "data": {**(found.get("data") or {}), **data}})
    return missing


def is_of(found: Mapping[str, Any], deployment: str) -> bool:
    """Whether a deployment made this Secret."""
    labels = found["metadata"].get("labels") or {}
    return (
        labels.get(manifests.PREFIX + "instance") == deployment
        and labels.get(manifests.MANAGED_BY) == manifests.MANAGER
    )


def of(cluster: Cluster, namespace: str, deployment: str, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What Secrets hold, still encoded, by name; one that is not there holds nothing.

    Those of the deployment are listed in one request; of others, which somebody else made, each is asked for.
    """
    path, wanted = f"/api/v1/namespaces/{namespace}/secrets", sorted(set(names))
    if not wanted:
        return {}
    listed = cluster.items(path, {"labelSelector": f"{manifests.PREFIX}instance={deployment}"})
    own = {one["metadata"]["name"]: one for one in listed}
    found = {name: own[name] if name in own else cluster.get(f"{path}/{name}") for name in wanted}
    return {name: dict((one or {}).get("data") or {}) for name, one in found.items()}


def value(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    """A secret itself.

    :raises ClusterError: it is not there, or may not be read.
    """
    found = ((cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}") or {}).get("data") or {}).get(key)
    if found is None:
        raise ClusterError(f"The Secret {namespace}/{name} has no key {key}, or is not there: deploy again.")
    return base64.b64decode(found).decode("utf-8").rstrip("\r\n")
