# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server-side apply of many objects: one list for each kind, and one request for each object that is not so yet.

An object is left alone where the API server holds all that is requested, and knows that just this was requested by us:
applying it again would change nothing. Whatever cannot be told for sure is applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import BadInput
from ..progress import listed
from . import immutable, kinds, manifests, secret_marks
from .client import Cluster, ClusterError

_INSTANCE = manifests.PREFIX + "instance"
# What only the API server and controllers write.
_THEIRS = {"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"}
_MISSING = object()
# Field manager of a number of pods between us and an autoscaler.
_REPLICAS_MANAGER = f"{manifests.MANAGER}.replicas"


def apply(
    cluster: Cluster, objects: Sequence[Mapping[str, Any]], *, dry_run: bool = False, only_own: bool = False
) -> list[dict[str, Any]]:
    """Have these objects be as they are given.

    :param dry_run: whether the API server only says what it would do.
    :param only_own: whether an object is refused that exists without the marks that it is to have.
    :returns: for each object its C(kind) and C(name), C(changed) and C(created), and as C(before) and C(after) what
        differs, or would.
    :raises BadInput: of an object that exists something is to be changed that nobody can change, or it is another's.
    :raises ClusterError: an object is refused, or the cluster does not serve its kind.
    """
    collections = _collections(cluster, objects)
    placed = [(_placed(item, where), where) for item in objects for where in [collections[_kind(item)]]]
    objects, paths = [item for item, _where in placed], {_kind(item): where for item, where in placed}
    found = _existing(cluster, objects, paths, everything=only_own)
    live = {
        kinds.key(item): before
        for item in objects
        if (before := found.get((paths[_kind(item)], item["metadata"]["name"])))
    }
    foreign = [one for one in objects if only_own and _is_foreign(live.get(kinds.key(one)), one)]
    if foreign:
        names = listed([f"{one['kind']} {one['metadata']['name']}" for one in foreign])
        raise BadInput(f"The cluster holds what somebody else has made: {names}. Nothing was applied.")
    fixed = [
        error
        for item in objects
        if (before := live.get(kinds.key(item)))
        for error in immutable.errors(cluster, before, item)
    ]
    if fixed:
        raise BadInput(f"{' '.join(fixed)} Nothing was applied.")
    marked = secret_marks.marked(cluster, objects, live)
    whole = [_with_their_annotations(live.get(kinds.key(item)), item) for item in marked]
    return [_applied(cluster, item, paths[_kind(item)], found, dry_run) for item in whole]


def _is_foreign(live: Mapping[str, Any] | None, item: Mapping[str, Any]) -> bool:
    marks = {name: item["metadata"]["labels"][name] for name in (_INSTANCE, manifests.MANAGED_BY)}
    return live is not None and not marks.items() <= (live["metadata"].get("labels") or {}).items()


def _applied(
    cluster: Cluster,
    item: Mapping[str, Any],
    collection: str,
    found: Mapping[tuple[str, str], Mapping[str, Any]],
    dry_run: bool,
) -> dict[str, Any]:
    path = f"{collection}/{item['metadata']['name']}"
    before = found.get((collection, item["metadata"]["name"]))
    told = {"kind": item["kind"], "name": item["metadata"]["name"]}
    if before is not None and is_applied(before, item):
        return {**told, "changed": False, "created": False, "before": {}, "after": {}}
    if before is not None and not dry_run and _hands_over_replicas(before, item):
        number = {"spec": {"replicas": before["spec"]["replicas"]}}
        named = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": {"name": item["metadata"]["name"]}}
        cluster.apply(path, {**named, **number}, _REPLICAS_MANAGER)
    after = cluster.apply(path, item, manifests.MANAGER, dry_run=dry_run)
    was, became = differences(_ours(before or {}), _ours(after))
    return {**told, "changed": bool(was or became), "created": before is None, "before": was, "after": became}


def _with_their_annotations(live: Mapping[str, Any] | None, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where no annotation is ours any more, those that Knative refuses to lose: who gives up a whole map takes with it
    what nobody owns, such as what a webhook has put there."""
    if live is None or item["metadata"].get("annotations"):
        return item
    owned = [(entry.get("fieldsV1") or {}).get("f:metadata") or {} for entry in _applied_by_us(live)]
    there = live["metadata"].get("annotations") or {}
    theirs = {name: value for name, value in there.items() if name.startswith(f"{kinds.KNATIVE_GROUP}/")}
    if not theirs or not any("f:annotations" in fields for fields in owned):
        return item
    return {**item, "metadata": {**item["metadata"], "annotations": theirs}}


def _hands_over_replicas(live: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether we said so far how many pods there are, and no longer do, because an autoscaler will.

    What nobody owns any more goes back to its default: without another owner one pod of many would be left a while.
    The autoscaler takes the number over when it changes it.
    """
    fields = [(entry.get("fieldsV1") or {}).get("f:spec") or {} for entry in _applied_by_us(live)]
    return any("f:replicas" in owned for owned in fields) and "replicas" not in (item.get("spec") or {})


def _applied_by_us(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the API server notes of our requests for an object."""
    return [
        entry
        for entry in live["metadata"].get("managedFields") or []
        if entry.get("manager") == manifests.MANAGER and entry.get("operation") == "Apply"
    ]


def is_applied(live: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether applying an object would change nothing; False also where that cannot be told.

    :param live: as the API server has it, with C(metadata.managedFields).
    """
    fields = owned_fields(live["metadata"], item["apiVersion"])
    return fields is not None and _is_same(fields, _wanted(item), live)


def owned_fields(metadata: Mapping[str, Any], api_version: str) -> Mapping[str, Any] | None:
    """The fields of an object (fieldsV1) that are ours by what we applied; None where that cannot be told."""
    entries = _applied_by_us({"metadata": metadata})
    if len(entries) != 1 or entries[0].get("apiVersion") != api_version or entries[0].get("subresource"):
        return None
    fields: Mapping[str, Any] = entries[0].get("fieldsV1") or {}
    return fields


def owns_all(fields: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether all that an object was applied with is ours still: whoever changes a field takes it over.

    :param fields: as C(owned_fields) returns them.
    """
    wanted = _wanted(item)
    return _is_same(fields, wanted, wanted)


def _wanted(item: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
    wanted["metadata"] = {key: value for key, value in item["metadata"].items() if key not in ("name", "namespace")}
    return wanted


def _is_same(owned: Mapping[str, Any], wanted: Any, live: Any) -> bool:
    """Whether C(live) holds what is C(wanted), and what we own of it (fieldsV1) is just that.

    In C(owned) a key C(f:NAME) is a field, C(k:JSON) an item of a list by its key fields. Where it is empty, the whole
    value is meant.
    """
    inner = {key: value for key, value in owned.items() if key != "."}
    if not inner:
        return bool(wanted == live)
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return set(inner) == {f"f:{key}" for key in wanted} and all(
            _is_same(inner[f"f:{key}"], value, live.get(key, _MISSING)) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(inner):
        pairs = [(value, _item(key, wanted), _item(key, live)) for key, value in inner.items()]
        return all(
            mine is not None and theirs is not None and _is_same(value, mine, theirs) for value, mine, theirs in pairs
        )
    return False


def _item(key: str, items: Iterable[Any]) -> Any:
    """The item of a list that a key of fieldsV1 names; None where there is no such one."""
    kind, _colon, text = key.partition(":")
    if kind != "k":
        return None
    fields = json.loads(text)
    # A key field may be a default, such as the protocol of a port, that is not written out.
    fitting = [
        item
        for item in items
        if isinstance(item, Mapping) and all(item.get(name, value) == value for name, value in fields.items())
    ]
    return fitting[0] if len(fitting) == 1 else None


def differences(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two values the parts that differ; equal ones give two empty dicts."""
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return ({}, {}) if before == after else (before, after)
    was, became = {}, {}
    for key in {**before, **after}:
        if key not in after:
            was[key] = before[key]
        elif key not in before:
            became[key] = after[key]
        elif before[key] != after[key]:
            was[key], became[key] = differences(before[key], after[key])
    return was, became


def _ours(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key not in _THEIRS}
    kept = {key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind")}
    return {**kept, "metadata": metadata} if item else {}


def _kind(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return kinds.key(item)[:3]


def _collections(cluster: Cluster, objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    """The path of the collection of each kind, each looked up once."""
    paths = {}
    for kind, item in {_kind(item): item for item in objects}.items():
        paths[kind] = kinds.collection(cluster, *kind)
        if not paths[kind]:
            raise ClusterError(
                f"The cluster at {cluster.address} does not serve {kind[1]} of {kind[0]}: what "
                f"{item['metadata']['name']} needs is not installed there."
            )
    return paths


def _placed(item: Mapping[str, Any], collection: str) -> Mapping[str, Any]:
    """What is of the cluster has no namespace."""
    if "/namespaces/" in collection or "namespace" not in item["metadata"]:
        return item
    return {**item, "metadata": {name: value for name, value in item["metadata"].items() if name != "namespace"}}


def _existing(
    cluster: Cluster,
    objects: Sequence[Mapping[str, Any]],
    paths: Mapping[tuple[str, str, str], str],
    *,
    everything: bool,
) -> dict[tuple[str, str], dict[str, Any]]:
    """What is there by collection and name.

    :param everything: whether also without our marks.
    """
    asked = {
        (paths[_kind(item)], "" if everything else str((item["metadata"].get("labels") or {}).get(_INSTANCE, ""))): None
        for item in objects
    }
    return {
        (collection, one["metadata"]["name"]): one
        for collection, instance in asked
        for one in cluster.items(collection, {"labelSelector": f"{_INSTANCE}={instance}"} if instance else None)
    }
