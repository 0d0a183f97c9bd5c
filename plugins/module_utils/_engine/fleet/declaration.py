# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declaration: which instances a fleet has. All that is wrong with it is said at once."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BadInput
from ..kubernetes import manifests
from . import overrides

# Where the number of an instance stands in a pattern, with its digits: the next one must not rename the others.
_DIGITS = re.compile("(#+)")


@dataclass(frozen=True)
class Instance:
    """One MLflow of a fleet: its name, and what differs from the sample."""

    name: str
    own: Mapping[str, Any] = field(default_factory=dict)


def declare(
    listed: Sequence[Mapping[str, Any]],
    *,
    count: int = 0,
    pattern: str = "",
    limit: int,
    confirmed_count: int = 0,
    storage_classes: Sequence[str] = (),
    volumes_each: int = 0,
) -> list[Instance]:
    """The instances of a fleet: those that are listed, and as many as C(count) says by a pattern.

    :param listed: C(name) of each, and what it has of its own. One that the pattern makes as well is listed for that.
    :param pattern: with C(####) in the place of the number, which begins at 1: C(team-####).
    :param limit: of how many there may be without C(confirmed_count), which must be their number then.
    :param storage_classes: of their volumes, where one takes only so many: C(volumes_each). Empty for that of the
        sample.
    :raises BadInput: names that occur twice or are none, and whatever else is wrong.
    """
    errors = _errors_of_pattern(count, pattern)
    names = [str(one["name"]) for one in listed]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        errors.append(f"These instances are listed more than once: {', '.join(twice)}.")
    if illegal := [name for name in dict.fromkeys(names) if not _is_legal(name)]:
        errors.append(
            f"These names of instances are none for objects of Kubernetes: {', '.join(map(repr, illegal))}. {_LEGAL}"
        )
    own = {
        str(one["name"]): {key: value for key, value in one.items() if key != "name" and value is not None}
        for one in listed
    }
    errors += [f"{name}: {error}" for name, values in own.items() for error in overrides.errors(values)]
    if errors:
        raise BadInput(" ".join(errors))
    made = _made(pattern, count)
    if storage_classes:
        own = _in_classes(made, names, own, storage_classes, volumes_each)
    instances = [Instance(name, own.get(name, {})) for name in dict.fromkeys([*made, *names])]
    if len(instances) > limit and confirmed_count != len(instances):
        raise BadInput(
            f"The fleet would have {len(instances)} instances, and more than {limit} must be confirmed: set "
            f"mlflow_fleet_confirmed_count to {len(instances)}."
        )
    return instances


def _in_classes(
    made: Sequence[str], listed: Sequence[str], own: Mapping[str, dict[str, Any]], classes: Sequence[str], each: int
) -> dict[str, dict[str, Any]]:
    """With a storage class for each: the first so many of the pattern have the first one, and so on. A volume never
    changes its class, so that a growing fleet must not change anybody's.

    :raises BadInput: a class has more volumes than it takes, is none of these, or is not named.
    """
    if each < 1:
        raise BadInput(f"volumes_each is {each}; it must be 1 or more.")
    chosen = {name: values["storage_class"] for name, values in own.items() if "storage_class" in values}
    numbered = {name: classes[index] for number, name in enumerate(made) if (index := number // each) < len(classes)}
    if len(classes) == 1:
        numbered = dict.fromkeys([*made, *listed], classes[0])
    placed = numbered | chosen
    errors = [
        f"{name}: storage_class is {where}, which is none of {', '.join(classes)}."
        for name, where in chosen.items()
        if where not in classes
    ]
    if lost := [name for name in made if name not in placed]:
        errors.append(
            f"{len(made)} instances of the pattern need {-(-len(made) // each)} storage classes of {each} volumes "
            f"each, and mlflow_fleet_storage_classes names {len(classes)}: {lost[0]} is the first without one."
        )
    if lost := [name for name in listed if name not in placed]:
        errors.append(f"Name the storage_class of {', '.join(lost)}: there are {', '.join(classes)}.")
    errors += [
        f"{count} instances would have the storage class {where}, which takes {each} volumes: give some another one."
        for where, count in Counter(placed.values()).items()
        if count > each
    ]
    if errors:
        raise BadInput(" ".join(errors))
    return {name: {**own.get(name, {}), "storage_class": where} for name, where in placed.items()}


def names(
    listed: Sequence[Mapping[str, Any]],
    *,
    count: int = 0,
    pattern: str = "",
    limit: int = sys.maxsize,
    confirmed_count: int = 0,
) -> list[str]:
    """Those of the instances of a fleet, as C(declare) has them. What else is said of each is not read.

    :raises BadInput: names that occur twice or are none, or more than may be.
    """
    named = [{"name": one.get("name") or ""} for one in listed]
    found = declare(named, count=count, pattern=pattern, limit=limit, confirmed_count=confirmed_count)
    return [one.name for one in found]


_LEGAL = "Small letters, digits and '-', beginning with a letter, not ending with '-', at most 40 characters."


def _is_legal(name: str) -> bool:
    try:
        manifests.check_name(name, "name")
    except BadInput:
        return False
    return True


def _made(pattern: str, count: int, first: int = 1) -> list[str]:
    if not count:
        return []
    before, digits, after = _DIGITS.split(pattern)
    return [f"{before}{number:0{len(digits)}}{after}" for number in range(first, count + 1)]


def _errors_of_pattern(count: int, pattern: str) -> list[str]:
    if not count:
        return []
    if count < 0:
        return [f"mlflow_fleet_count is {count}; it must be 0 or more."]
    digits = _DIGITS.findall(pattern)
    if len(digits) != 1:
        return [f"mlflow_fleet_pattern is '{pattern}'; the place of the number is to be marked once: team-####."]
    if count >= 10 ** len(digits[0]):
        return [f"mlflow_fleet_pattern '{pattern}' has {len(digits[0])} digits, too few for {count} instances."]
    (last,) = _made(pattern, count, first=count)
    return [] if _is_legal(last) else [f"mlflow_fleet_pattern gives names such as '{last}', which are none. {_LEGAL}"]
