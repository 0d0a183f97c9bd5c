# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a deployment in a cluster: how its backups are, and what a removal took and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def backups(
    cron_jobs: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]], max_age_hours: float, now: datetime
) -> str:
    """How the backups of a cluster are, read from their schedule and their Jobs.

    :param cron_jobs: the CronJob of the backup, or nothing. A suspended one is what operations by hand are made from.
    :param jobs: the Jobs of the component backup: by the schedule, by hand, and those of drills and restores.
    :param max_age_hours: so old may the last success be.
    :param now: in UTC.
    """
    cron = next((one for one in cron_jobs if not one["spec"].get("suspend")), None)
    ended = [job.get("status", {}).get("completionTime") or "" for job in jobs if _is_backup(job)]
    last = max([((cron or {}).get("status") or {}).get("lastSuccessfulTime") or "", *ended])
    said = f"{cron['spec']['schedule']} UTC" if cron else "no schedule"
    if last:
        said += f", last success {last}"
    elif cron:
        said += ", none has succeeded yet"
    if cron:
        since = datetime.strptime(last or cron["metadata"]["creationTimestamp"], _TIME).replace(tzinfo=UTC)
        if (now - since).total_seconds() / 3600 > max_age_hours:
            said += f": overdue, {max_age_hours} h are allowed"
    for job in jobs:
        if job.get("status", {}).get("failed") and job["metadata"]["creationTimestamp"] > last:
            said += f"\n             {job['metadata']['name']} failed"
    return said


def _is_backup(job: Mapping[str, Any]) -> bool:
    """By hand or by the schedule; drills and restores are Jobs of the same component."""
    containers = job["spec"]["template"]["spec"]["containers"]
    return (containers[0].get("args") or [""])[0] == "backup" or "-backup-backup-" in job["metadata"]["name"]


def removal(
    planned: Mapping[str, Sequence[str]],
    present: Sequence[str] | None,
    connections: Iterable[Mapping[str, Any]],
    destination: str,
    namespace: str,
) -> dict[str, Any]:
    """What a removal took and kept, or would take and keep.

    :param planned: C(removed) and C(kept) as mlflow_kubernetes_remove returned them in check mode.
    :param present: what was there afterwards; nothing in check mode.
    :param connections: of the components, of which external ones were never touched.
    :param destination: of backups.
    :returns: C(removed), C(kept) and C(outside), lists of names, and C(text), the sentences that say so.
    """
    would = present is None
    volumes = [name for name in planned["kept"] if name.startswith("PersistentVolume ")]
    kept = list(planned["kept"]) if present is None else [*present, *volumes]
    removed = [name for name in planned["removed"] if name not in (present or [])]
    outside = [str(one["uri"]) for one in connections if str(one.get("type")).startswith("external")]
    outside += [destination] if "://" in destination else []
    text = [
        f"{'Would be removed' if would else 'Removed'}: {', '.join(removed) or 'nothing, because nothing was there'}."
    ]
    if kept:
        text.append(
            f"{'Would be kept' if would else 'Kept'} in the namespace {namespace}: {', '.join(kept)}. "
            "Deploy again to use it."
        )
    elif removed and not would:
        text.append("All data was removed.")
    if outside:
        text.append(f"Outside of the cluster, and not touched: {', '.join(outside)}.")
    return {"removed": removed, "kept": kept, "outside": outside, "text": text}
