# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ownership on a cluster: which namespace and which objects a deployment made, and the removal of these alone.

A namespace is a deployment's own when the call that created it says so: no other call writes that mark. An object is a
deployment's own by its labels; they can be trusted because nothing is applied over an object that exists without them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import advice
from ..errors import BadInput
from ..progress import listed
from . import kinds, manifests
from .client import METADATA_ONLY, Cluster, ClusterError, Conflict

# Annotation of a namespace, written by the call that creates it: the name of the deployment.
CREATED_FOR = "mlops.mlflow/created-for"
# Whoever is owned by one of these goes with it, and is listed by it.
_LISTED_OWNERS = {kind for _api_version, kind, _plural in kinds.KINDS} | {"ReplicaSet", *kinds.OF_KNATIVE_SERVICES}
# What clusters put into every namespace.
_OF_EVERY_NAMESPACE = {
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "openshift-service-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ServiceAccount", "default"),
    ("ServiceAccount", "builder"),
    ("ServiceAccount", "deployer"),
}
# Annotations of Secrets that a controller made of something else, and makes again.
_DERIVED = {
    "kubernetes.io/service-account.name",
    "openshift.io/internal-registry-auth-token.service-account",
    "cert-manager.io/certificate-name",
}
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Item:
    """One object of a namespace. C(deployment) is empty where the object does not carry this collection's marks."""

    path: str
    kind: str
    name: str
    uid: str
    deployment: str
    component: str
    by_itself: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def contents(cluster: Cluster, namespace: str, wanted: Collection[str] = ()) -> list[Item]:
    """What is in a namespace, without what other objects of it own; in the order of removal.

    :param wanted: kinds that are asked for, each with a request; none for all.
    :raises ClusterError: no answer, or a refusal.
    """
    served = {group["name"] for group in (cluster.get("/apis") or {}).get("groups") or []}
    return [
        item
        for api_version, kind, plural in kinds.KINDS
        if _is_served(api_version, served) and (not wanted or kind in wanted)
        for found in cluster.items(kinds.path(api_version, namespace, plural), accept=METADATA_ONLY)
        if (item := _item(kinds.path(api_version, namespace, plural), kind, found["metadata"]))
    ]


def prepare_namespace(
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    existing: bool = False,
    objects: Iterable[Mapping[str, Any]] = (),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    check_contents: bool = True,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Check that a deployment may use a namespace, and create it where that is the deployment's business.

    :param existing: whether somebody else made the namespace: it is used as it is, and never changed.
    :param objects: what will be applied: C(kind) and C(metadata.name) of each.
    :param check_contents: whether what is in the namespace is checked here; a fleet does so by itself.
    :returns: C(created) and C(changed_labels) (names of the labels that were, or would be, set).
    :raises BadInput: the namespace is somebody else's, holds another deployment, or an object of the same name.
    """
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    if found is None and existing:
        raise BadInput(
            f"The namespace {namespace} does not exist, and mlflow_namespace_existing says that somebody else makes "
            f"it: have it created, or leave mlflow_namespace_existing out."
        )
    if found is not None and not existing and _created_for(found) != name:
        whose = f"for the deployment {_created_for(found)}" if _created_for(found) else "by somebody else"
        raise BadInput(
            f"The namespace {namespace} exists already and was made {whose}. Set mlflow_namespace to another one, or "
            f"mlflow_namespace_existing to true: then it is used as it is, and never changed or removed."
        )
    wanted = {"labels": dict(labels or {}), "annotations": dict(annotations or {})}
    if found is None:
        if not cluster.may("", "create", "", "namespaces"):
            raise BadInput(
                f"The namespace {namespace} does not exist, and you may not create namespaces: have it created, and "
                f"set mlflow_namespace_existing to true."
            )
        if not dry_run:
            _create(cluster, namespace, name, wanted)
        return {"created": True, "changed_labels": sorted(wanted["labels"])}
    # Another deployment has objects of the same kinds, or at least its data.
    listed = list(objects)
    kinds_of_ours = {*(one["kind"] for one in listed), *manifests.DATA_KINDS} if listed else set()
    if check_contents:
        _check_contents(contents(cluster, namespace, kinds_of_ours), namespace, name, listed)
    if existing:
        return {"created": False, "changed_labels": []}
    metadata = found["metadata"]
    merged = {field: {**(metadata.get(field) or {}), **values} for field, values in wanted.items()}
    differing = [
        key
        for field, values in merged.items()
        for key, value in values.items()
        if (metadata.get(field) or {}).get(key) != value
    ]
    if differing and not dry_run:
        cluster.call("PUT", f"/api/v1/namespaces/{namespace}", {**found, "metadata": {**metadata, **merged}})
    return {"created": False, "changed_labels": sorted(differing)}


def remove(
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    components: Sequence[str] = (),
    objects: Sequence[Mapping[str, Any]] = (),
    remove_data_of: Sequence[str] = (),
    remove_namespace: bool = False,
    dry_run: bool = False,
    seconds: float = 180,
) -> dict[str, list[str]]:
    """Remove what carries the marks of a deployment, and wait until it is gone.

    :param components: whose objects are meant.
    :param objects: instead of components, what is meant: C(apiVersion), C(kind) and C(metadata.name) of each.
    :param remove_data_of: components whose volumes, databases and Secrets go as well.
    :param remove_namespace: whether the namespace goes as well. Refused where anything else would go with it.
    :returns: C(present) (what was there), C(removed) (what went, or would go) and C(kept), each as C(Kind name).
    :raises BadInput: the namespace is not this deployment's own, or holds what would be lost with it.
    :raises ClusterError: something does not go away.
    """
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    if found is None:
        return {"present": [], "removed": [], "kept": []}
    if objects:
        meant = [item for one in objects if (item := _named(cluster, namespace, one)) and item.deployment == name]
        goes = meant
    else:
        inside = contents(cluster, namespace)
        meant = [item for item in inside if item.deployment == name and item.component in components]
        goes = [item for item in meant if item.kind not in manifests.DATA_KINDS or item.component in remove_data_of]
        if remove_namespace:
            _check_removal(found, inside, goes, name)
    retained = [volume for item in goes if (volume := _retained_volume(cluster, item))]
    if not dry_run:
        for item in goes:
            _delete(cluster, item.path, item.uid)
        _wait_until_gone(cluster, {item.path: str(item) for item in goes}, seconds)
    removed = [str(item) for item in goes]
    if remove_namespace and not objects:
        path = f"/api/v1/namespaces/{namespace}"
        if not dry_run:
            _delete(cluster, path, found["metadata"]["uid"])
            _wait_until_gone(cluster, {path: f"Namespace {namespace}"}, seconds)
        removed.append(f"Namespace {namespace}")
    return {
        "present": [str(item) for item in meant],
        "removed": removed,
        "kept": [str(item) for item in meant if item not in goes] + retained,
    }


def _created_for(namespace: Mapping[str, Any]) -> str:
    return str((namespace["metadata"].get("annotations") or {}).get(CREATED_FOR, ""))


def _create(cluster: Cluster, namespace: str, name: str, wanted: Mapping[str, Mapping[str, str]]) -> None:
    metadata = {
        "name": namespace,
        "labels": wanted["labels"],
        "annotations": {**wanted["annotations"], CREATED_FOR: name},
    }
    try:
        cluster.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    except Conflict as error:
        raise BadInput(f"Somebody else just created the namespace {namespace}: nothing was changed.") from error


def _check_contents(inside: Sequence[Item], namespace: str, name: str, objects: Iterable[Mapping[str, Any]]) -> None:
    if others := sorted({item.deployment for item in inside if item.deployment not in ("", name)}):
        theirs = [str(item) for item in inside if item.deployment in others]
        raise BadInput(
            f"The namespace {namespace} holds the deployment {' and '.join(others)} already "
            f"({listed(theirs)}). Each deployment needs a namespace of its own: set mlflow_namespace to another "
            f"one."
        )
    wanted = {(one["kind"], one["metadata"]["name"]) for one in objects}
    if foreign := [str(item) for item in inside if not item.deployment and (item.kind, item.name) in wanted]:
        raise BadInput(
            f"The namespace {namespace} holds objects of the same name that this deployment did not make: "
            f"{listed(foreign)}. Set mlflow_name or mlflow_namespace to another one, or remove them."
        )


def _check_removal(found: Mapping[str, Any], inside: Sequence[Item], goes: Sequence[Item], name: str) -> None:
    namespace = found["metadata"]["name"]
    if _created_for(found) != name:
        raise BadInput(
            f"The namespace {namespace} was not made by the deployment {name}, which therefore does not remove it: "
            f"leave mlflow_remove_namespace out. Nothing was changed."
        )
    left = [item for item in inside if item not in goes and not item.by_itself]
    if own := [str(item) for item in left if item.deployment == name]:
        everything = advice.command(
            "destroy",
            mlflow_destroy=True,
            mlflow_remove_data=True,
            mlflow_backup_remove_data=True,
            mlflow_remove_namespace=True,
        )
        raise BadInput(
            f"mlflow_remove_namespace would remove what is to be kept: {listed(own)}. Nothing was changed. "
            f"Without the namespace: {advice.command('destroy', mlflow_destroy=True)} - "
            f"with all data and all backups: {everything}"
        )
    if left:
        raise BadInput(
            f"mlflow_remove_namespace would remove what the deployment {name} did not make in the namespace "
            f"{namespace}: {listed([str(item) for item in left])}. Remove these first, or leave "
            f"mlflow_remove_namespace out. Nothing was changed."
        )


def _is_served(api_version: str, groups: set[str]) -> bool:
    group = api_version.partition("/")[0]
    return "." not in group or group in groups


def _item(folder: str, kind: str, metadata: Mapping[str, Any]) -> Item | None:
    """None for what goes with an owner that is listed itself."""
    if any(owner["kind"] in _LISTED_OWNERS for owner in metadata.get("ownerReferences") or []):
        return None
    labels = metadata.get("labels") or {}
    ours = labels.get(manifests.MANAGED_BY) == manifests.MANAGER
    derived = _DERIVED & set(metadata.get("annotations") or {})
    return Item(
        path=f"{folder}/{metadata['name']}",
        kind=kind,
        name=metadata["name"],
        uid=metadata["uid"],
        deployment=labels.get(manifests.PREFIX + "instance", "") if ours else "",
        component=labels.get(manifests.COMPONENT, ""),
        by_itself=(kind, metadata["name"]) in _OF_EVERY_NAMESPACE or bool(derived),
    )


def _named(cluster: Cluster, namespace: str, reference: Mapping[str, Any]) -> Item | None:
    """The object of that name, whatever its kind is."""
    api_version, kind, name = reference["apiVersion"], reference["kind"], reference["metadata"]["name"]
    namespace = str(reference["metadata"].get("namespace") or namespace)
    folder = kinds.collection(cluster, api_version, kind, namespace)
    found = cluster.get(f"{folder}/{name}") if folder else None
    return _item(folder, kind, found["metadata"]) if found else None


def _retained_volume(cluster: Cluster, item: Item) -> str | None:
    """The volume that stays, with all data, when its claim goes; None also where volumes may not be read."""
    if item.kind != "PersistentVolumeClaim":
        return None
    volume = ((cluster.get(item.path) or {}).get("spec") or {}).get("volumeName")
    try:
        found = cluster.get(f"/api/v1/persistentvolumes/{volume}") if volume else None
    except ClusterError:
        return None
    retained = found and found["spec"].get("persistentVolumeReclaimPolicy") == "Retain"
    return f"PersistentVolume {volume}" if retained else None


def _delete(cluster: Cluster, path: str, uid: str) -> None:
    # Another object of the same name that came in the meantime is not meant.
    options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
    cluster.call("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})


def _wait_until_gone(cluster: Cluster, paths: Mapping[str, str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    left = dict(paths)
    while left := {path: what for path, what in left.items() if cluster.get(path) is not None}:
        if time.monotonic() > deadline:
            raise ClusterError(f"Not gone after {seconds:.0f} s: {', '.join(left.values())}.")
        time.sleep(_POLL_SECONDS)
