# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Indexes beyond MLflow's own, for searches that get slow as runs add up: which are offered, and what each costs.

MLflow's migrations compare revisions, not indexes, so that these outlive an upgrade; and a dump holds them. Each is of
use from some size on. Those on what every log-metric or log-param writes make these dearer: docs/tuning.md has the
measurements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import BadInput

# Of their names in the database: nobody else's indexes begin so, and what does is ours to remove.
PREFIX = "mlops_"
# A filter on values reads all rows of the key without such an index. Below this it does so in a few milliseconds.
LEAST_ROWS = 50_000
# What a search is spared for each row of the table, and what a write costs more, in milliseconds of the database.
_SPARED, _COST = 9.5e-5, 0.04


@dataclass(frozen=True)
class Index:
    """One that is offered.

    :param definition: what follows the table's name in CREATE INDEX.
    :param use: what it makes fast, in words.
    :param searches: how a statement looks that it makes fast, and C(writes): one that it makes dearer, as regular
        expressions of PostgreSQL; empty where writing costs next to nothing.
    """

    table: str
    definition: str
    use: str
    searches: str = ""
    writes: str = ""

    def refusal(self, rows: int, searches: int | None, writes: int | None) -> str:
        """Why it would cost more than it gives; empty where it would not, or where nobody knows.

        :param searches: how many statements were seen that it makes fast, and C(writes): that it makes dearer; None
            where the database does not count them.
        """
        if not self.writes:
            return ""
        if rows < LEAST_ROWS:
            return f"{self.table} has {rows:,} rows, and a filter on values is quick without it below {LEAST_ROWS:,}"
        if searches is None or writes is None or searches * rows * _SPARED >= writes * _COST:
            return ""
        return (
            f"it would cost more than it gives: {writes:,} writes to {self.table} would be dearer, and {searches:,} "
            f"searches would profit, of those that pg_stat_statements has seen"
        )


OFFERED = {
    # What clients ask for that name no order.
    "runs_by_time": Index(
        "runs",
        "(experiment_id, lifecycle_stage, start_time DESC, run_uuid)",
        "the newest runs of an experiment, and filters on status and time",
    ),
    # What the web page asks for: runs that have not begun come last.
    "runs_as_listed": Index(
        "runs",
        "(experiment_id, lifecycle_stage, (CASE WHEN start_time IS NULL THEN 1 ELSE 0 END), start_time DESC, run_uuid)",
        "the list of runs on the web page",
    ),
    # Not a B-tree, which refuses values of more than 2.7 kB.
    "params_by_value": Index(
        "params",
        "USING hash (value)",
        "filters on the value of a param",
        r"params\.value = ",
        r"insert into params\M",
    ),
    "metrics_by_value": Index(
        "latest_metrics",
        "(key, value DESC, run_uuid)",
        "filters on the value of a metric",
        r"latest_metrics\.value (<|>|=)",
        r"(insert into|update) latest_metrics\M",
    ),
}


def check(names: Iterable[str]) -> list[str]:
    """
    :raises BadInput: one is not offered.
    """
    wanted = list(dict.fromkeys(str(name) for name in names))
    if unknown := [name for name in wanted if name not in OFFERED]:
        raise BadInput(
            f"indexes has {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'} not offered. Offered: "
            f"{', '.join(OFFERED)}."
        )
    return wanted
