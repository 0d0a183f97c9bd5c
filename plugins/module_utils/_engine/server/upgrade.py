# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an upgrade is: from which version to which, what it does to databases, why it cannot be, how one goes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import advice
from ..progress import line, size

_FITTING = ("current", "older", "empty")


def plan(
    schema: Mapping[str, Any],
    deployed: str,
    connection: Mapping[str, Any],
    name: str,
    unknown_allowed: bool = False,
    reserved: Mapping[str, Any] | None = None,
    continued: str = "",
) -> dict[str, Any]:
    """What an upgrade would do; changes nothing.

    :param schema: what mlflow_schema_info returned, asked by the new version; empty where that is not installed yet.
    :param deployed: version of the server that is there; empty where it is not ours, or is gone.
    :param connection: that of the server, with the version that is requested.
    :param name: of the deployment, for people.
    :param unknown_allowed: whether migrations that nobody has read yet may be run.
    :param reserved: what mlflow_reservation returned: who C(held) the deployment, and the C(revision) of its schema.
    :param continued: the id of an upgrade that was cut off on another controller, and is to be continued.
    :returns: C(from), C(to), C(schema), whether it is C(needed) and C(migrates), C(errors), C(lines) that say so, and
        the C(way_back): variables of the playbook restore. Of an upgrade that was cut off: its reservation as
        C(continues), the C(snapshot) that leads back behind it once it has changed the schema, and whether it had
        C(started) the requested version, which may have served.
    """
    users = schema.get("auth") or {}
    pending = [*schema.get("pending", []), *users.get("pending", [])]
    wanted = str(connection["version"])
    held = (reserved or {}).get("held") or {}
    continues = str(held.get("id", "")) if held.get("ended") or held.get("id") == (continued or None) else ""
    kept = (held.get("kept") or {}) if continues else {}
    changed = kept.get("revision", "") != ((reserved or {}).get("revision") or "")
    snapshot = str(kept.get("snapshot", "")) if changed else ""
    planned = {
        "name": name,
        "continues": continues,
        "cut_off": f"{held['purpose']} of {held['since']}" if continues else "",
        "snapshot": snapshot,
        "started": bool(continues) and deployed == wanted and not pending,
        "from": kept.get("from", deployed),
        "to": wanted,
        # What the image holds; on hosts that is what was installed.
        "brings": schema.get("version", wanted),
        "schema": schema,
        "states": [schema.get("state", "current"), users.get("state", "current")],
        "space": schema.get("space") or {},
        "migrates": bool(pending or snapshot),
        "unknown": [] if unknown_allowed else [one["revision"] for one in pending if one["kind"] == "unknown"],
        "needed": deployed != wanted or bool(pending or continues),
        "in_containers": connection["runner"]["type"] != "host",
    }
    return {**planned, "errors": _errors(planned), "lines": _lines(planned), "way_back": _way_back(planned)}


def _errors(planned: Mapping[str, Any]) -> list[str]:
    """Why it cannot be done, each a sentence with the remedy."""
    wanted, migrates, space = planned["to"], planned["migrates"], planned["space"]
    strange = ", ".join(dict.fromkeys(state for state in planned["states"] if state not in _FITTING))
    free = space.get("free")
    allowed = advice.command("upgrade", mlflow_upgrade=True, mlflow_upgrade_unknown=True)
    found = {
        f"Nothing is deployed on {planned['name']} that could be upgraded, and the database needs no migration: use "
        "the playbook that deploys.": not planned["from"] and not migrates,
        f"The image has MLflow {planned['brings']}, but mlflow_version is {wanted}: set mlflow_version to it, or "
        "mlflow_image to an image that has the other.": planned["brings"] != wanted,
        "Only on hosts can a database be taken over that another MLflow left: deploy first.": (
            not planned["from"] and migrates and planned["in_containers"]
        ),
        "The backend store or the user database is empty: deploy first, or switch basic authentication on "
        "afterwards.": "empty" in planned["states"] and migrates,
        f"For MLflow {wanted} the schema is {strange}. MLflow cannot take a schema back: set mlflow_version to the "
        "version that wrote it, or restore a snapshot that was taken before.": bool(strange),
        f"Nobody has read these migrations of MLflow {wanted} yet: {', '.join(planned['unknown'])}. Read them, then "
        f"say so: {allowed}": bool(planned["unknown"]),
        f"Migrating and going back may need {size(space.get('needed') or 0)} on the disk of the database, which has "
        f"{size(free or 0)} free. Make room there first.": free is not None and free < space["needed"],
    }
    return [error for error, holds in found.items() if holds]


def _lines(planned: Mapping[str, Any]) -> list[str]:
    name, before, wanted, schema = planned["name"], planned["from"], planned["to"], planned["schema"]
    if not planned["needed"]:
        return [f"{name} runs MLflow {wanted} already, and its schema fits. Nothing to do."]
    old = f"MLflow {before}" if before else "a database without a server"
    lines = [line("Upgrade", f"{name}: {old} to MLflow {wanted}")]
    if planned["continues"]:
        back = f"; back leads the snapshot {planned['snapshot']}" if planned["snapshot"] else ""
        lines.append(line("Continues", f"{planned['cut_off']}, which was cut off{back}"))
    if not schema:
        unseen = f"not inspected: MLflow {wanted} is not installed yet, and check mode installs nothing"
        return [*lines, line("Schema", unseen)]
    lines += _migrations("Schema", schema) + (_migrations("Users", schema["auth"]) if schema.get("auth") else [])
    if schema.get("indexes"):
        lines.append(line("Indexes", f"{', '.join(schema['indexes'])}: beyond MLflow's own, and stay"))
    if not planned["migrates"]:
        back = f"MLflow {before} is started again; no data is touched"
        return [*lines, line("Way", "snapshot, restart"), line("Back", f"{back}, should anything fail")]
    free = planned["space"].get("free")
    left = "cannot be seen from here" if free is None else f"has {size(free)}"
    back = "the snapshot is restored" + (f" and MLflow {before} started again" if before else "")
    return [
        *lines,
        line("Room", f"up to {size(planned['space']['needed'])} on the disk of the database, which {left}"),
        line("Way", "snapshot, stop, snapshot of the rest, migrate, trial without clients, start"),
        line("Back", f"{back}, should anything fail"),
    ]


def _migrations(what: str, schema: Mapping[str, Any]) -> list[str]:
    pending = schema["pending"]
    if not pending:
        return [line(what, "the same")]
    lines = [line(what, f"{len(pending)} migrations, from {schema['revision'] or 'none'} to {schema['expected']}")]
    for one in pending:
        if one["kind"] != "additive":
            rows = ", ".join(f"{table} {count}" for table, count in sorted((one.get("rows") or {}).items()))
            lines.append(line("", f"{one['revision']} {one['kind']}" + (f", rows: {rows}" if rows else "")))
    return lines


def _way_back(planned: Mapping[str, Any]) -> dict[str, Any]:
    """What the playbook restore is told, beside the snapshot, to bring back what was there before."""
    deployed = {"mlflow_restore_deploy": True, "mlflow_version": planned["from"]} if planned["from"] else {}
    # Which image that was only who built it knows.
    image = {"mlflow_image": "..."} if deployed and planned["in_containers"] else {}
    return {"mlflow_restore": True, **deployed, **image}


def done(planned: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """What is said after an upgrade.

    :param details: C(away), seconds until the new version was proven; the C(snapshot) that holds what was before, its
        C(uri), and the command that is the C(way_back).
    """
    before, snapshot = planned["from"], str(details["snapshot"])
    old = f"MLflow {before}" if before else "a database"
    lines = [
        line("Upgraded", f"{planned['name']}: {old} to MLflow {planned['to']}"),
        line("Away for", f"{float(details['away']):.1f} s, until the new version was proven"),
        line("Snapshot", f"{snapshot} in {details['uri']}"),
    ]
    if planned["migrates"]:
        back = "MLflow cannot take a schema back. What was there before:"
        return [*lines, line("Going back", back), str(details["way_back"])]
    same = f"set mlflow_version to {before} and run this playbook again: the schema is the same"
    return [*lines, line("Going back", same)]
