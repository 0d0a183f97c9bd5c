# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API server lets nobody change in an object that exists: compared before anything is applied.

Otherwise a deploy would be refused half-way, with "field is immutable" or "Forbidden".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..quantities import quantity
from .client import Cluster

Object = Mapping[str, Any]
# By kind, fields of C(spec). One that is not requested is left as it is.
_FIXED = {
    "Deployment": ("selector",),
    "StatefulSet": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
    "PersistentVolumeClaim": ("accessModes", "storageClassName", "volumeMode"),
}
# Of these, what nobody asks for is not there.
_NOT_DEFAULTED = {"volumeClaimTemplates"}
_EXPANDABLE = "allowVolumeExpansion"


def errors(cluster: Cluster, live: Object, item: Object) -> list[str]:
    """What cannot become of C(live) what C(item) asks for, each as a sentence with the remedy."""
    kind, name = item["kind"], item["metadata"]["name"]
    is_spec, spec = live.get("spec") or {}, item.get("spec") or {}
    differing = {
        field: f"{field} from {_short(is_spec.get(field))} to {_short(spec.get(field))}"
        for field in _FIXED.get(kind, ())
        if not _holds(is_spec.get(field), spec.get(field)) and (field in spec or field in _NOT_DEFAULTED)
    }
    said = []
    if differing:
        # What is made anew would get another, empty volume.
        holds_data = kind == "PersistentVolumeClaim" or "volumeClaimTemplates" in differing
        remedy = (
            "Take the settings back, or take a backup, remove the deployment with its data, deploy and restore."
            if holds_data
            else f"Take the settings back, or remove the {kind} first (kubectl delete {kind.lower()} {name} "
            f"--cascade=orphan): the next deploy makes it anew, and no data goes."
        )
        said.append(f"Kubernetes lets nobody change of the {kind} {name} {' and '.join(differing.values())}. {remedy}")
    if kind == "PersistentVolumeClaim":
        said += _of_size(cluster, name, is_spec, spec)
    return said


def _of_size(cluster: Cluster, name: str, is_spec: Object, spec: Object) -> list[str]:
    was, wanted = (str(one["resources"]["requests"]["storage"]) for one in (is_spec, spec))
    if quantity(wanted) == quantity(was):
        return []
    if quantity(wanted) < quantity(was):
        return [f"The volume {name} has {was}, and no volume can shrink to {wanted}: ask for {was} or more."]
    storage_class = str(is_spec.get("storageClassName") or "")
    found = cluster.get(f"/apis/storage.k8s.io/v1/storageclasses/{storage_class}") if storage_class else None
    if found and found.get(_EXPANDABLE):
        return []
    return [
        f"The volume {name} has {was} and cannot grow to {wanted}: its storage class {storage_class or '(none)'} does "
        f"not allow it. Ask for {was}; or have an administrator set {_EXPANDABLE} of the class, if its driver can."
    ]


def _holds(there: Any, wanted: Any) -> bool:
    """Whether a value is there with all that is wanted of it. The API server adds defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(_holds(there.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(_holds(one, value) for one, value in zip(there, wanted, strict=True))
        )
    return bool(there == wanted)


def _short(value: Any) -> str:
    text = str("nothing" if value in (None, "", [], {}) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
