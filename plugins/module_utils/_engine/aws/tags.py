# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tags: what differs between those of a thing and those that are requested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadInput

_RESERVED = "aws:"


@dataclass(frozen=True)
class Difference:
    """C(set) is added or given another value, C(removed) is taken away; C(after) are the tags then."""

    set: dict[str, str]
    removed: list[str]
    after: dict[str, str]


def difference(before: Mapping[str, str], requested: Mapping[str, object] | None, purge: bool) -> Difference:
    """What it takes. None leaves all tags as they are; AWS's own are neither removed nor counted.

    :raises BadInput: a tag is requested that only AWS itself may set.
    """
    if requested is None:
        return Difference({}, [], dict(before))
    wanted = {str(name): str(value) for name, value in requested.items()}
    if reserved := sorted(name for name in wanted if name.lower().startswith(_RESERVED)):
        raise BadInput(f"The tags {', '.join(reserved)} are AWS's own: choose names that do not begin with {_RESERVED}")
    changed = {name: value for name, value in wanted.items() if before.get(name) != value}
    removed = sorted(name for name in before if purge and name not in wanted and not name.startswith(_RESERVED))
    kept = {name: value for name, value in before.items() if name not in removed}
    return Difference(changed, removed, kept | changed)
