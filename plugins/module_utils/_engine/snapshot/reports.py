# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said to a person of a backup and of a restore: lines made of what the operations return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..progress import line, size


def backup(result: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """Of a snapshot that was written; in check mode there is none.

    :param details: C(uri) of the destination.
    """
    snapshot = result.get("snapshot")
    if not snapshot:
        return [f"Check mode: a snapshot could be written to {details['uri']}."]
    lines = [line("Snapshot", snapshot["id"]), line("In", details["uri"])]
    for what, database in snapshot["databases"].items():
        kind = f"{database['kind']} {database['server_version']}"
        rows = sum(database["rows"].values())
        lines.append(line(what.capitalize(), f"{kind}, {rows} rows, {size(database['size'])}, {database['seconds']} s"))
    if artifacts := snapshot["artifacts"]:
        lines.append(line("Artifacts", f"{artifacts['count']}, {size(artifacts['size'])}, {artifacts['seconds']} s"))
    lines.append(line("New", size(snapshot["new_bytes"])))
    lines += [line("Left out", f"{left['what']}: {left['why']}") for left in snapshot["left_out"]]
    if pruned := result.get("pruned"):
        lines.append(line("Removed", f"{len(pruned['removed'])} old snapshots; {len(pruned['kept'])} are kept"))
    return lines


def restore(result: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """Of a restore or a drill, which was done, or in check mode could be.

    :param details: C(check), C(drill), and C(keep): whether what was replaced stays.
    """
    snapshot, check, drill = result["snapshot"], details["check"], details["drill"]
    name, took = snapshot["id"], {} if check else result["seconds"]
    if check:
        lines = [f"Check mode: {name} could be {'drilled' if drill else 'restored'}; nothing was done."]
    elif drill:
        lines = [f"Proven: {name} can be restored. Nothing was changed."]
    else:
        lines = [f"Restored: {name}, and the server is healthy."]
    lines.append(line("Taken", f"{snapshot['created']}, MLflow {snapshot['mlflow_version'] or 'unknown'}"))
    for what, database in snapshot["databases"].items():
        said = f"{sum(database['rows'].values())} rows"
        if live := result["live_rows"].get(what):
            said += f", live {sum(live.values())}"
        lines.append(line(what.capitalize(), said + _took(took, what)))
    if artifacts := snapshot["artifacts"]:
        said = f"{artifacts['count']}, {size(artifacts['size'])}"
        lines.append(line("Artifacts", said + _took(took, "artifacts")))
    lines += [line("Secret", f"{secret}: {state}") for secret, state in result["secrets"].items()]
    lines += [line("Note", note) for note in result["notes"]]
    if details.get("keep") and not drill:
        lines += [line("Kept", replaced) for replaced in result["replaced"]]
    return lines


def _took(seconds: Mapping[str, float], what: str) -> str:
    return f", {seconds[what]} s" if what in seconds else ""
