# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Resources as requested: compared with what is there, created, changed or removed; never those of somebody else.

A resource is C({what, id, version, body}): what people call it, its id, the version of its API, and what is requested
of it. C(tagged) says that Azure gives it tags, so that it can carry ours; one without is as its parent. C(fixed) says
that it never changes, so that what differs is made anew; C(first) what only a new one is asked for; C(holds) where
its contents are listed, with which it stays; C(unique) how to
ask whether a name is free in all of Azure. A part of a body may be C({from: ID, version: …, at: properties.x}): a
value of another resource, which may have come to be only by this call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadInput, one_line
from .client import Arm, state_of

OWNER = "mlflow-deployment"
# What Azure alone says of a resource, and takes back from nobody.
_ITS_OWN = ("id", "name", "type", "etag", "systemData", "managedBy")
_UNKNOWN = "(known when it is created)"
_MISSING = object()


def ensure(
    arm: Arm,
    owner: str,
    resources: Sequence[Mapping[str, Any]],
    check: bool = False,
    read: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    renew: bool = False,
) -> dict[str, Any]:
    """Let them be as requested, in this order.

    :param read: values of resources by names of their own, to be told afterwards.
    :param secrets: what else a new resource is asked for, by its id; Azure never tells it, and it is never shown.
    :param renew: whether those that are there are sent it, too.
    :returns: C(changed); C(created) and C(altered): what people call them; C(values) of C(read); C(diff).
    :raises BadInput: one of them is somebody else's. Nothing was changed.
    """
    present = {one["id"]: arm.find(one["id"], one["version"]) for one in resources}
    refused = [
        foreign(one, present[one["id"]], owner)
        or _leaving(one, present[one["id"]])
        or _taken(arm, one, present[one["id"]])
        for one in resources
    ]
    if any(refused):
        raise BadInput(" ".join(filter(None, refused)) + " Nothing was changed.")
    created: list[str] = []
    altered: list[str] = []
    diff: list[dict[str, Any]] = []
    for one in resources:
        found, secret = present[one["id"]], (secrets or {}).get(one["id"], {})
        body = _owned(one, owner, found)
        known = _resolved(body, arm, present)
        before, after = (_shown(known, found), known) if found else ({}, known)
        again = state_of(found or {}) in ("Failed", "Canceled") or bool(secret and renew)
        if found and not differs(known, found) and not again:
            continue
        (altered if found else created).append(one["what"])
        diff.append({"before_header": one["what"], "after_header": one["what"], "before": before, "after": after})
        if not check:
            present[one["id"]] = _put(arm, one, found, _merged(known, {} if found and not renew else secret))
    values = _resolved(dict(read or {}), arm, present)
    return {
        "changed": bool(diff),
        "created": created,
        "altered": altered,
        "values": {name: value for name, value in values.items() if value != _UNKNOWN},
        "diff": diff,
    }


def remove(arm: Arm, owner: str, resources: Sequence[Mapping[str, Any]], check: bool = False) -> dict[str, Any]:
    """Remove them, the last one first. What is somebody else's stays.

    :returns: C(changed); C(removed) and C(left): what people call them; C(diff).
    """
    removed: list[str] = []
    left: list[str] = []
    diff: list[dict[str, Any]] = []
    gone: set[str] = set()
    for one in reversed(resources):
        found = arm.find(one["id"], one["version"])
        if not found:
            continue
        holds = _held(arm, one, gone)
        if foreign(one, found, owner) or holds:
            left.append(one["what"] + (f", which holds {', '.join(holds)}" if holds else ""))
            continue
        removed.append(one["what"])
        gone.add(one["id"].lower())
        diff.append({"before_header": one["what"], "after_header": "", "before": {"id": one["id"]}, "after": {}})
        if not check:
            arm.delete(one["id"], one["version"], one["what"])
    return {"changed": bool(removed), "removed": removed, "left": left, "diff": diff}


def foreign(resource: Mapping[str, Any], found: Mapping[str, Any] | None, owner: str) -> str:
    """Whose it is, where that is not us; empty where it may be touched."""
    if not found or not resource.get("tagged"):
        return ""
    whose = (found.get("tags") or {}).get(OWNER)
    if whose == owner:
        return ""
    other = f"of the deployment {whose}" if whose else f"somebody else's: it has no tag {OWNER}"
    return f"The {resource['what']} is {other}, and is not touched."


def _held(arm: Arm, resource: Mapping[str, Any], gone: set[str]) -> list[str]:
    """What is in it, where it goes only when it is empty; in check mode what would be removed is there yet."""
    if not resource.get("holds"):
        return []
    found = arm.pages(resource["holds"], resource["version"])
    return sorted(one["id"].rpartition("/providers/")[2] for one in found if one["id"].lower() not in gone)


def _leaving(resource: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    going = found and state_of(found) == "Deleting"
    return f"The {resource['what']} is being removed: run it again when that has ended." if going else ""


def _taken(arm: Arm, resource: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    """Why a new one cannot have its name; empty where it can."""
    unique = resource.get("unique")
    if found or not unique:
        return ""
    said = arm.post(unique["ask"], resource["version"], unique["body"])
    reason = one_line(said.get("message") or said.get("reason") or "")
    return "" if said.get("nameAvailable") else f"There can be no {resource['what']}: {reason} Choose another name."


def differs(requested: Any, found: Any) -> bool:
    """Whether what is there lacks something of what is requested. What else it has does not count.

    Azure gives ids and names of regions back in other letters than it got them.
    """
    if isinstance(requested, Mapping):
        return not isinstance(found, Mapping) or any(
            differs(value, found.get(name, _MISSING)) for name, value in requested.items()
        )
    if isinstance(requested, list):
        if not isinstance(found, list):
            return bool(requested)
        if requested and all(map(_name, requested)):
            # Others may have added theirs, such as a node pool.
            named = {_name(one): one for one in found}
            return any(differs(one, named.get(_name(one), _MISSING)) for one in requested)
        if len(requested) != len(found):
            return True
        return any(
            differs(one, other)
            for one, other in zip(*(sorted(one, key=str) for one in (requested, found)), strict=True)
        )
    if isinstance(requested, str) and isinstance(found, str):
        return requested.lower() != found.lower() and _region(requested) != _region(found)
    return bool(requested != found)


def _put(arm: Arm, one: Mapping[str, Any], found: Mapping[str, Any] | None, body: Mapping[str, Any]) -> dict[str, Any]:
    if found and one.get("fixed"):
        arm.delete(one["id"], one["version"], one["what"])
        found = None
    # Whatever is done to it now changes what it is: what is sent must be of afterwards.
    now = arm.settle(one["id"], one["version"], f"the {one['what']}") if found else None
    kept = {name: value for name, value in (now or {}).items() if name not in _ITS_OWN}
    if named := (kept.get("identity") or {}).get("userAssignedIdentities"):
        # Azure says of each who that is, and takes that back from nobody.
        kept["identity"] = {**kept["identity"], "userAssignedIdentities": {id: {} for id in named}}
    return arm.put(one["id"], one["version"], _merged(kept, body), f"the {one['what']}")


def _owned(one: Mapping[str, Any], owner: str, found: Mapping[str, Any] | None) -> dict[str, Any]:
    body = dict(one["body"])
    if one.get("tagged"):
        body["tags"] = {**body.get("tags", {}), OWNER: owner}
    # What only a new one is asked for: people or Azure may change it later.
    return _merged(body, one.get("first", {})) if not found else body


def _resolved(body: Any, arm: Arm, present: dict[str, Any]) -> Any:
    """The body with the values of other resources; those that are not there yet are named as unknown."""
    if isinstance(body, Mapping):
        if "from" not in body:
            return {name: _resolved(value, arm, present) for name, value in body.items()}
        id = body["from"]
        if not present.get(id):
            present[id] = arm.find(id, body["version"])
        found: Any = present[id] or {}
        for name in body["at"].split("."):
            found = found.get(name, {}) if isinstance(found, Mapping) else {}
        return found or _UNKNOWN
    return [_resolved(one, arm, present) for one in body] if isinstance(body, list) else body


def _merged(base: Any, over: Any) -> Any:
    """What is there with what is requested in it. Entries of lists that have names are merged by them."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{name: _merged(base.get(name), value) for name, value in over.items()}}
    if isinstance(over, list) and isinstance(base, list):
        if not over or not all(map(_name, over)):
            return over
        named = {_name(one): one for one in base}
        return [*({**named, **{_name(one): _merged(named.get(_name(one)), one) for one in over}}.values())]
    return over


def _shown(requested: Any, found: Any) -> Any:
    """Of what is there that which is requested."""
    if isinstance(requested, Mapping) and isinstance(found, Mapping):
        return {name: _shown(value, found[name]) for name, value in requested.items() if name in found}
    return found


def _name(entry: Any) -> str:
    return str(entry.get("name") or "") if isinstance(entry, Mapping) else ""


def _region(text: str) -> str:
    """Central India and centralindia are one."""
    return text.replace(" ", "").lower()
