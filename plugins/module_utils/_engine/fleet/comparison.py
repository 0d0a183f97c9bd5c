# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Comparison: what is to be done to have the instances that are declared. Asks nobody, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadInput
from ..kubernetes import kinds, manifests
from ..kubernetes.apply import owns_all
from ..progress import listed
from .declaration import Instance
from .existing import Found, Key
from .rendering import Rendering, Template


@dataclass(frozen=True)
class Work:
    """An instance with the objects that are not as they shall be, and what is there of each: nothing, or that."""

    instance: Instance
    objects: list[tuple[Template, Found | None]]


@dataclass
class Difference:
    """C(stopped) are instances whose servers somebody has stopped: they stay so."""

    created: list[Work] = field(default_factory=list)
    updated: list[Work] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    # What the fleet has besides: of instances that are declared no more, and of others.
    undeclared: list[Found] = field(default_factory=list)


def compare(
    instances: Sequence[Instance], rendering: Rendering, found: Mapping[Key, Mapping[str, Found]], fleet: str
) -> Difference:
    """
    :raises BadInput: an object of one of these names is somebody else's.
    """
    difference, equal = Difference(), _Equal()
    wanted: dict[Key, set[str]] = {key: set() for key in found}
    foreign: list[Found] = []
    for instance in instances:
        work: list[tuple[Template, Found | None]] = []
        there, stopped = 0, False
        for template in rendering.templates(instance):
            name = template.name(instance)
            one = found[template.key].get(name)
            wanted[template.key].add(name)
            if one is None:
                work.append((template, None))
                continue
            # Passwords are there before the instance, for its database, and stay after it.
            there, stopped = there + (not template.generated), stopped or one.stopped
            if (one.fleet, one.instance) != (fleet, instance.name):
                foreign.append(one)
            elif one.leaving or not equal(one, template, instance):
                work.append((template, one))
        if stopped:
            work = [(template, one) for template, one in work if not _is_servers(template)]
            difference.stopped.append(instance.name)
        if not work:
            difference.unchanged.append(instance.name)
        else:
            (difference.updated if there else difference.created).append(Work(instance, work))
    if foreign:
        raise BadInput(
            f"The namespace holds objects of these names that the fleet {fleet} did not make: "
            f"{listed(list(map(str, foreign)), 100)}. Nothing was changed. Rename the instances, or give the fleet "
            f"another namespace."
        )
    difference.undeclared = [
        one
        for key, objects in found.items()
        for name, one in objects.items()
        if name not in wanted[key] and one.fleet == fleet and not one.leaving
    ]
    return difference


def _is_servers(template: Template) -> bool:
    return template.key == (kinds.KNATIVE, "Service")


class _Equal:
    """Whether an object is as it was applied, and that as it is to be applied now.

    To walk through the fields of one costs more than all else; thousands have the same ones.
    """

    def __init__(self) -> None:
        self._whole: dict[tuple[int, int], bool] = {}
        self._kept: list[Any] = []  # so that no id is given again

    def __call__(self, one: Found, template: Template, instance: Instance) -> bool:
        if template.generated:
            return True
        if one.fields is None or one.checksum != template.checksum:
            return False
        key = (id(template), id(one.fields))
        if key not in self._whole:
            self._kept += [template, one.fields]
            self._whole[key] = owns_all(one.fields, template.item(instance))
        return self._whole[key]


def pruned(undeclared: Sequence[Found], *, with_data: bool) -> tuple[list[Found], list[Found]]:
    """What goes of what is declared no more, and what is kept: volumes and Secrets, unless they are to go."""
    going = [one for one in undeclared if with_data or one.kind not in manifests.DATA_KINDS]
    gone = set(map(id, going))
    return going, [one for one in undeclared if id(one) not in gone]
