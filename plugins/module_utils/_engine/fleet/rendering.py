# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rendering: the objects of every instance, made of those of one sample that went through the roles' templates.

Its name is replaced in the leaves of parsed objects, and not in text that is to be parsed: no name can change what an
object is. The checksum comes last, after every transformation: it is that of the object without the name, which all
instances share that have the same settings, so that to compare 10,000 of them is to compare as many words.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import secrets
from ..errors import BadInput
from ..kubernetes import kinds, manifests
from . import overrides
from .declaration import Instance

Object = dict[str, Any]
# Label of every object: the fleet that it belongs to.
FLEET = "mlops.mlflow/fleet"
# Annotation of every object: of what it was applied with.
CHECKSUM = "mlops.mlflow/fleet-checksum"
INSTANCE = manifests.PREFIX + "instance"
# Stands for the name of an instance; Unicode leaves it to private use.
NAME = "\ue000"
_NAME_LIMIT = 63


@dataclass(frozen=True)
class Template:
    """One object of an instance as JSON that lacks the name."""

    api_version: str
    kind: str
    pattern: str
    parts: tuple[str, ...]
    # Of all this, the annotation of its objects. Their names say what else makes them.
    checksum: str
    # A Secret some values of which are empty: they are generated when it is created, and never changed.
    generated: bool

    @cached_property
    def key(self) -> tuple[str, str]:
        return self.api_version, self.kind

    def name(self, instance: Instance) -> str:
        return self.pattern.replace(NAME, instance.name)

    def item(self, instance: Instance) -> Object:
        """The object as it is applied."""
        found: Object = json.loads(instance.name.join(self.parts))
        found["metadata"].setdefault("annotations", {})[CHECKSUM] = self.checksum
        if self.generated:
            found["stringData"] = {key: value or secrets.generate(key) for key, value in found["stringData"].items()}
        return found


class Rendering:
    """
    :param sample: the name that the sample was rendered with: no part of any other word that stands in its objects.
    :raises BadInput: the objects cannot be those of an instance.
    """

    def __init__(self, objects: Sequence[Mapping[str, Any]], sample: str, fleet: str, namespace: str) -> None:
        text = json.dumps(list(objects))
        marked: list[Object] = replaced(json.loads(text), sample)
        manifests.check_name(sample, "sample")
        manifests.check_name(fleet, "mlflow_fleet_name")
        _check(marked, sample, json.dumps(NAME)[1:-1] in text)
        for item in marked:
            metadata = item["metadata"]
            metadata["labels"] = {
                **(metadata.get("labels") or {}),
                FLEET: fleet,
                manifests.MANAGED_BY: manifests.MANAGER,
                INSTANCE: NAME,
            }
            metadata["namespace"] = namespace
        self._marked = marked
        self._templates: dict[str, list[Template]] = {}

    @property
    def keys(self) -> list[tuple[str, str]]:
        """C(apiVersion) and C(kind) of the objects, each once."""
        return list(dict.fromkeys((item["apiVersion"], item["kind"]) for item in self._marked))

    def templates(self, instance: Instance) -> list[Template]:
        """In the order in which they are applied. Instances that differ by their name alone have the same ones."""
        own = json.dumps(instance.own, sort_keys=True) if instance.own else ""
        if own not in self._templates:
            self._templates[own] = [_template(item, instance.own) for item in deepcopy(self._marked)]
        return self._templates[own]

    def names(self, instances: Sequence[Instance]) -> dict[tuple[str, str], dict[str, str]]:
        """The instance of each of their objects, by kind and name."""
        found: dict[tuple[str, str], dict[str, str]] = {key: {} for key in self.keys}
        for instance in instances:
            for template in self.templates(instance):
                found[template.key][template.name(instance)] = instance.name
        return found

    def errors(self, instances: Sequence[Instance]) -> list[str]:
        """Why objects of these instances would be refused."""
        longest = max((len(instance.name) for instance in instances), default=0)
        found = []
        for item in self._marked:
            name = item["metadata"]["name"]
            room = _NAME_LIMIT - len(name.replace(NAME, ""))
            if longest > room:
                long = [instance.name for instance in instances if len(instance.name) > room]
                found.append(
                    f"{item['kind']} {name.replace(NAME, 'NAME')} has room for {room} characters: {', '.join(long)}."
                )
        for instance in instances:
            if instance.own and (lost := overrides.without_place(self._marked, instance.own)):
                found.append(f"{instance.name}: no object of the fleet has a place for {', '.join(lost)}.")
        return found


def _template(item: Object, own: Mapping[str, Any]) -> Template:
    overrides.apply(item, own)
    text = json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Template(
        api_version=item["apiVersion"],
        kind=item["kind"],
        pattern=item["metadata"]["name"],
        parts=tuple(text.split(NAME)),
        checksum=hashlib.sha256(text.encode()).hexdigest()[:16],
        generated=item["kind"] == "Secret" and not all(item.get("stringData", {}).values()),
    )


def replaced(value: Any, sample: str) -> Any:
    if isinstance(value, dict):
        return {key: replaced(inner, sample) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, sample) for inner in value]
    return value.replace(sample, NAME) if isinstance(value, str) else value


def _check(marked: Sequence[Object], sample: str, has_mark: bool) -> None:
    errors = []
    if has_mark:
        errors.append("The objects hold the character U+E000, which stands for the name here.")
    if not marked:
        errors.append("The sample has no objects.")
    same = [f"{item['kind']} {item['metadata']['name']}" for item in marked if NAME not in item["metadata"]["name"]]
    if same:
        errors.append(
            f"Every instance would have the same {', '.join(same)}: the name of each object of the sample must hold "
            f"the sample's name {sample}."
        )
    times = Counter((*kinds.key(item)[:2], item["metadata"]["name"]) for item in marked)
    errors += [
        f"The sample has {key[1]} {key[2].replace(NAME, sample)} more than once." for key, n in times.items() if n > 1
    ]
    if errors:
        raise BadInput(" ".join(errors))
