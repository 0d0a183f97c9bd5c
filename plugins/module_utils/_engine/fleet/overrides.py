# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an instance may have of its own, and where that stands in its objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadInput
from ..kubernetes import kinds, manifests
from ..quantities import quantity

Object = dict[str, Any]
_SCALING = "autoscaling.knative.dev/"
_LEAST = {"replicas": 0, "max_replicas": 1, "request_timeout": 1}
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
    for name, (kind, write) in _PLACES.items():
        if name in own and kinds.name_of(item) == kind:
            write(item, own[name])


def without_place(items: list[Object], own: Mapping[str, Any]) -> list[str]:
    """Names of the values for which none of the objects has a place."""
    there = {kinds.name_of(item) for item in items}
    return [name for name, (kind, _write) in _PLACES.items() if name in own and kind not in there]


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


_PLACES: dict[str, tuple[str, Callable[[Object, Any], None]]] = {
    "resources": (kinds.KNATIVE_SERVICE, _resources),
    "replicas": (kinds.KNATIVE_SERVICE, _scale("min-scale")),
    "max_replicas": (kinds.KNATIVE_SERVICE, _scale("max-scale")),
    "request_timeout": (kinds.KNATIVE_SERVICE, _timeout),
    "storage_size": ("PersistentVolumeClaim", _size),
}
