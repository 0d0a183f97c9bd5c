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
    listed: Sequence[Mapping[str, Any]], *, count: int = 0, pattern: str = "", limit: int, confirmed_count: int = 0
) -> list[Instance]:
    """The instances of a fleet: those that are listed, and as many as C(count) says by a pattern.

    :param listed: C(name) of each, and what it has of its own. One that the pattern makes as well is listed for that.
    :param pattern: with C(####) in the place of the number, which begins at 1: C(team-####).
    :param limit: of how many there may be without C(confirmed_count), which must be their number then.
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
    instances = [Instance(name, own.get(name, {})) for name in dict.fromkeys([*made, *names])]
    if len(instances) > limit and confirmed_count != len(instances):
        raise BadInput(
            f"The fleet would have {len(instances)} instances, and more than {limit} must be confirmed: set "
            f"mlflow_fleet_confirmed_count to {len(instances)}."
        )
    return instances


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
