# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an instance may have of its own, and where that stands in its objects."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..errors import BadInput
from ..kubernetes import kinds, manifests
from ..names import Host
from ..quantities import quantity

Object = dict[str, Any]
_SCALING = "autoscaling.knative.dev/"
_LEAST = {"replicas": 0, "max_replicas": 1, "request_timeout": 1}
# Annotation of pods: of what servers read at their start. With another, they are replaced.
_CONFIGURATION = "mlops.mlflow/configuration"
# Labels and annotations that say whose an object is, and how it came.
_OF_THE_COLLECTION = (manifests.PREFIX, "mlops.mlflow/")


def errors(own: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values of one instance."""
    found = [
        f"{name} is {own[name]}; it must be {least} or more."
        for name, least in _LEAST.items()
        if own.get(name, least) < least
    ]
    if own.get("replicas", 0) > own.get("max_replicas", own.get("replicas", 0)):
        found.append(f"replicas is {own['replicas']}, and max_replicas is less: {own['max_replicas']}.")
    quantities = {"storage_size": own["storage_size"]} if "storage_size" in own else {}
    for part, values in (own.get("resources") or {}).items():
        if part not in ("requests", "limits") or not isinstance(values, Mapping):
            found.append(f"resources has {part}; it takes requests and limits.")
            continue
        quantities |= {f"resources.{part}.{name}": value for name, value in values.items()}
    for name, value in quantities.items():
        try:
            quantity(value)
        except BadInput as error:
            found.append(f"{name}: {error}")
    for host in own.get("allowed_hosts") or []:
        try:
            if Host.parse(str(host), "allowed_hosts").everything:
                found.append("allowed_hosts holds '*': name the hosts of an instance.")
        except BadInput as error:
            found.append(str(error))
    if "default_permission" in own:
        # Only here: a fleet whose instances are all alike need not load it.
        from ..server.plan.common import PERMISSIONS

        if own["default_permission"] not in PERMISSIONS:
            offered = ", ".join(PERMISSIONS)
            found.append(f"default_permission is {own['default_permission']}; it must be one of {offered}.")
    marks = [
        key
        for name in ("labels", "annotations")
        for key in own.get(name) or {}
        if str(key).startswith(_OF_THE_COLLECTION)
    ]
    return [*found, *(f"{key} is set by this collection alone." for key in marks)]


def apply(item: Object, own: Mapping[str, Any]) -> None:
    """Write into an object what an instance has of its own there."""
    for name in ("labels", "annotations"):
        if own.get(name):
            texts = {str(key): str(value) for key, value in own[name].items()}
            item["metadata"][name] = {**(item["metadata"].get(name) or {}), **texts}
    for name, place in _PLACES.items():
        if name in own and place.is_in(item):
            place.write(item, own[name])
    read = {name: own[name] for name, place in _PLACES.items() if name in own and place.file}
    if read and kinds.name_of(item) == kinds.KNATIVE_SERVICE:
        _start_anew(item, read)


def without_place(items: list[Object], own: Mapping[str, Any]) -> list[str]:
    """Names of the values for which none of the objects has a place."""
    return [name for name, place in _PLACES.items() if name in own and not any(map(place.is_in, items))]


class _Place(NamedTuple):
    """Where a value stands: in objects of a C(kind), in a C(file) of a ConfigMap."""

    kind: str
    write: Callable[[Object, Any], None]
    file: str = ""

    def is_in(self, item: Object) -> bool:
        return kinds.name_of(item) == self.kind and (not self.file or self.file in item["data"])


def _start_anew(item: Object, read: Mapping[str, Any]) -> None:
    """Let servers be replaced by others, which read what the instance has of its own."""
    metadata = item["spec"]["template"].setdefault("metadata", {})
    there = metadata.get("annotations") or {}
    text = json.dumps([there.get(_CONFIGURATION), read], sort_keys=True)
    metadata["annotations"] = {**there, _CONFIGURATION: hashlib.sha256(text.encode()).hexdigest()}


def _hosts(item: Object, value: list[str]) -> None:
    from ..server.launch import with_hosts

    found = json.loads(item["data"]["launch.json"])
    found["env"] = with_hosts(found["env"], [Host.parse(str(one), "allowed_hosts") for one in value])
    # The name that is yet to be put in is a character that must stay one.
    item["data"]["launch.json"] = json.dumps(found, indent=4, ensure_ascii=False)


def _permission(item: Object, value: str) -> None:
    text = item["data"]["auth.ini"]
    item["data"]["auth.ini"] = re.sub(r"(?m)^default_permission = .*$", f"default_permission = {value}", text)


def _resources(item: Object, value: Mapping[str, Any]) -> None:
    container = item["spec"]["template"]["spec"]["containers"][0]
    there = container.get("resources") or {}
    container["resources"] = {
        **there,
        **{part: {**(there.get(part) or {}), **values} for part, values in value.items()},
    }


def _scale(name: str) -> Callable[[Object, int], None]:
    def write(item: Object, value: int) -> None:
        metadata = item["spec"]["template"].setdefault("metadata", {})
        metadata["annotations"] = {**(metadata.get("annotations") or {}), f"{_SCALING}{name}": str(value)}

    return write


def _timeout(item: Object, value: int) -> None:
    item["spec"]["template"]["spec"]["timeoutSeconds"] = value


def _size(item: Object, value: str) -> None:
    item["spec"]["resources"]["requests"]["storage"] = value


def _class(item: Object, value: str) -> None:
    item["spec"]["storageClassName"] = value


_PLACES: dict[str, _Place] = {
    "resources": _Place(kinds.KNATIVE_SERVICE, _resources),
    "replicas": _Place(kinds.KNATIVE_SERVICE, _scale("min-scale")),
    "max_replicas": _Place(kinds.KNATIVE_SERVICE, _scale("max-scale")),
    "request_timeout": _Place(kinds.KNATIVE_SERVICE, _timeout),
    "storage_size": _Place("PersistentVolumeClaim", _size),
    "storage_class": _Place("PersistentVolumeClaim", _class),
    "allowed_hosts": _Place("ConfigMap", _hosts, "launch.json"),
    "default_permission": _Place("ConfigMap", _permission, "auth.ini"),
}
