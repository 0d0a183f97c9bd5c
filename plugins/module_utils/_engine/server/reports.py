# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said to a person of a server: its health, its status, what a gc removed, how its database fares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..progress import line, size

_SHOWN = 20


def health(result: Mapping[str, Any], _details: Mapping[str, Any]) -> list[str]:
    """One line for each check, and one for each that could not be tried."""
    lines = [
        f"{'ok' if check['ok'] else 'FAILED':<6} {check['name']:<15} {check['seconds'] * 1000:8.1f} ms  "
        f"{check['message']}"
        for check in result["checks"]
    ]
    return lines + [f"{'-':<6} {skip['name']:<15}              {skip['reason']}" for skip in result["not_tried"]]


def containers(result: Mapping[str, Any], _details: Mapping[str, Any]) -> list[str]:
    """Containers of a deployment that have a problem, each with it."""
    return [f"{one['name']}: {one['problem']}" for one in result["containers"] if one["problem"]]


def failure(result: Mapping[str, Any], _details: Mapping[str, Any]) -> list[str]:
    """Why a task failed: of a loop, what failed first."""
    failed = next((one for one in result.get("results") or [] if one.get("failed")), result)
    said = failed.get("msg", failed)
    return [str(one) for one in said] if isinstance(said, list) else str(said).splitlines()


def status(result: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """What runs, where, and what it holds.

    :param result: of the check of its health.
    :param details: C(uri), C(database), C(artifacts), what C(info) returned, and C(backup), a sentence.
    """
    program = next(check["message"] for check in result["checks"] if check["name"] == "workload")
    lines = [
        line("URL", details["uri"]),
        line("Health", result["verdict"]),
        line("Program", program),
        line("Version", result["version"] or "unknown"),
        line("Database", str(details["database"]).partition("?")[0]),
        line("Artifacts", details["artifacts"]),
    ]
    info = details["info"]
    if "experiments" in info:
        lines.append(line("Auth", info["auth"]))
        for title, what in (("Experiments", "experiments"), ("Runs", "runs"), ("Models", "registered_models")):
            lines.append(line(title, f"{info[what]['count']}{'' if info[what]['exact'] else ' or more'}"))
    return [*lines, line("Backup", details["backup"])]


def gc(result: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """What was deleted long enough ago, and what is left of it; in check mode, what would be removed.

    :param details: C(older_than), as it was asked for.
    """
    after, ago = result.get("after"), f"eleted more than {details['older_than']} ago, and"
    lines = [
        f"D{ago} what is left of it:" if after is not None else f"Nothing was removed. D{ago} would be removed:",
        _row("", "before", "" if after is None else "after", "deleted later"),
    ]
    for what, count in result["before"].items():
        lines.append(_row(what.replace("_", " "), count, (after or {}).get(what, ""), result["waiting"].get(what, "")))
    for item in result["items"][:_SHOWN]:
        lines.append(f"{item['kind'].replace('_', ' ')[:-1]:<14} {item['id']} {item['name']}")
    if (more := len(result["items"]) - _SHOWN) > 0:
        lines.append(f"and {more} more")
    removed = "would be removed" if after is None else "was removed"
    if result.get("uploads"):
        lines.append(f"{'uploads':<14} {result['uploads']} that were cut off more than a day ago")
    for version in result["model_versions"]:
        lines.append(f"Attention      {version} is registered, and has its files in what {removed}")
    for place in result.get("orphaned", [])[:_SHOWN]:
        lines.append(
            f"Left alone     {place}: mlflow gc removes no files of traces, nor of runs and models that nobody deleted"
        )
    return lines + ([f"Took           {result['seconds']} s"] if "seconds" in result else [])


def _row(what: str, before: Any, after: Any, later: Any) -> str:
    return f"{what:<14} {before!s:>9} {after!s:>9} {later!s:>14}"


def tune(result: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """What a database holds, what takes its time, and what was done about it; in check mode, what would be.

    :param details: C(check).
    """
    memory = result["in_memory"]
    lines = [line("Size", size(result["size"]))]
    lines += [] if memory is None else [line("From memory", f"{100 * memory:.1f} of 100 blocks")]
    lines += ["", f"{'table':<28} {'rows':>12} {'size':>11} {'indexes':>11} {'dead rows':>12} {'waste':>11}"]
    for one in result["tables"]:
        lines.append(
            f"{one['name']:<28} {one['rows']:>12,} {size(one['size']):>11} {size(one['indexes']):>11} "
            f"{one['dead']:>12,} {size(one['waste']):>11}"
        )
    lines += ["", f"{'index':<28} {'state':>12} {'size':>11} {'used':>11}"]
    for one in result["indexes"]:
        lines.append(f"{one['name']:<28} {one['state']:>12} {size(one['size']):>11} {one['used']:>11,}")
    for one in result["statements"] or ():
        lines.append(
            f"{one['total_seconds']:>9,.1f} s in {one['calls']:,} calls of {one['mean_milliseconds']:.1f} ms: "
            f"{one['text']}"
        )
    lines += ["", *(f"Attention      {one}" for one in result["findings"])] if result["findings"] else []
    begun = "Would" if details["check"] else "Did"
    lines += (
        ["", *(_worked(begun, one) for one in result["work"])] if result["work"] else ["", "There is nothing to do."]
    )
    return lines


def _worked(begun: str, one: Mapping[str, Any]) -> str:
    took = f", {one['seconds']} s" if begun == "Did" else ""
    return f"{begun:<14} {one['words']}: {one['why']}{took}"
