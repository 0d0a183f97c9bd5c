# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done about a PostgreSQL that was looked at: sentences for people, and work that harms no one.

Nothing of it keeps anybody from reading or writing; what would is only advised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..progress import size
from . import indexes
from .postgresql_inspect import Inspection, Table

# Shares from which on something is said or done, and what it must amount to.
_DEAD, _DEAD_ROWS = 0.2, 10_000
_MODIFIED, _MODIFIED_ROWS = 0.2, 10_000
_WASTED_INDEX, _WASTED_TABLE, _WASTE = 0.6, 0.5, 64 << 20
_BIG_TABLE = 1_000_000
_MISSED, _BLOCKS = 0.05, 100_000
_LONG_SECONDS = 3600
_FROZEN = 1_000_000_000
_WHOSE = "SELECT pid, usename, application_name, xact_start FROM pg_stat_activity ORDER BY xact_start;"
# A fifth of ten million rows is long to wait for: the planner and the visibility map of big tables are kept closer.
AUTOVACUUM = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.01",
}


@dataclass(frozen=True)
class Work:
    """One step.

    :param act: C(vacuum), C(analyze), C(reindex), C(autovacuum), C(create) or C(drop).
    :param name: of the table, or of the index; of C(create) and C(drop) as the database has it.
    :param why: in words.
    """

    act: str
    name: str
    why: str

    @property
    def words(self) -> str:
        return {
            "vacuum": f"clean and analyze {self.name}",
            "analyze": f"analyze {self.name}",
            "reindex": f"build the index {self.name} anew",
            "autovacuum": f"let autovacuum look at {self.name} more often",
            "create": f"build the index {self.name}",
            "drop": f"remove the index {self.name}",
        }[self.act]


def work(found: Inspection, wanted: Sequence[str] | None) -> tuple[list[Work], dict[str, str]]:
    """What to do, in order, and why indexes that are wanted are not built, by their name.

    :param wanted: names of indexes that are offered; None leaves those alone that are there.
    """
    steps: list[Work] = []
    refused: dict[str, str] = {}
    there = {one.name: one for one in found.indexes}
    # Building, or building anew, was cut off: such an index costs and helps nobody.
    steps += [
        Work("drop", one.name, "building it was cut off")
        for one in found.indexes
        if not one.valid and (one.name.startswith(indexes.PREFIX) or "_ccnew" in one.name or "_ccold" in one.name)
    ]
    for name, offered in indexes.OFFERED.items() if wanted is not None else ():
        index = there.get(indexes.PREFIX + name)
        if name in (wanted or ()):
            if index and index.valid:
                continue
            if reason := offered.refusal(found.rows(offered.table), *found.counted.get(name, (None, None))):
                refused[name] = reason
            else:
                steps.append(Work("create", indexes.PREFIX + name, f"for {offered.use}"))
        elif index and index.valid:
            steps.append(Work("drop", index.name, "mlflow_database_indexes does not name it"))
    for table in found.tables:
        steps += _of_table(table)
    dropped = {step.name for step in steps if step.act == "drop"}
    steps += [
        Work("reindex", one.name, f"about {size(one.waste)} of {size(one.size)} are empty")
        for one in found.indexes
        if one.valid and one.name not in dropped and one.waste > max(_WASTE, one.size * _WASTED_INDEX)
    ]
    return steps, refused


def _of_table(table: Table) -> Iterator[Work]:
    if table.rows >= _BIG_TABLE and not {f"{name}={value}" for name, value in AUTOVACUUM.items()} <= set(table.options):
        yield Work("autovacuum", table.name, f"a fifth of its {table.rows:,} rows would have to change first")
    if table.dead >= _DEAD_ROWS and table.dead > _DEAD * (table.rows + table.dead):
        yield Work("vacuum", table.name, f"{table.dead:,} rows are dead beside {table.rows:,}")
    elif not table.analyzed and table.modified:
        yield Work("analyze", table.name, "it never was")
    elif table.modified >= _MODIFIED_ROWS and table.modified > _MODIFIED * table.rows:
        yield Work("analyze", table.name, f"{table.modified:,} rows changed since it was")


def findings(found: Inspection, refused: dict[str, str]) -> list[str]:
    """What only people can do, or should know; sentences."""
    said = [f"The index {name} was not built: {reason}." for name, reason in refused.items()]
    blocks = found.hit + found.read
    if found.read > _BLOCKS and found.read > _MISSED * blocks:
        said.append(
            f"{100 * found.read / blocks:.0f} of 100 blocks came from the disk: more memory for PostgreSQL "
            f"(shared_buffers) makes everything faster."
        )
    if not found.autovacuum:
        said.append("autovacuum is off, so that dead rows pile up: turn it on (ALTER SYSTEM SET autovacuum = on;).")
    if found.oldest > _LONG_SECONDS:
        said.append(
            f"A transaction is open for {found.oldest / 3600:.1f} hours: meanwhile no dead row can be cleaned away. "
            f"Whose it is: {_WHOSE}"
        )
    if found.frozen > _FROZEN:
        said.append(
            f"The oldest rows are {found.frozen:,} transactions old; at 2,000,000,000 PostgreSQL refuses to write. Let "
            f"it clean up: VACUUM (FREEZE);"
        )
    for table in found.tables:
        if table.waste > max(_WASTE, table.size * _WASTED_TABLE):
            said.append(
                f"About {size(table.waste)} of {table.name} ({size(table.size)}) are empty. New rows will use them; to "
                f"give them back to the disk, stop the servers and say: VACUUM (FULL, ANALYZE) {table.name};"
            )
    for name, offered in indexes.OFFERED.items():
        index = next((one for one in found.indexes if one.name == indexes.PREFIX + name and one.valid), None)
        if index and offered.writes and not index.used:
            said.append(
                f"Nothing has used the index {name} yet ({size(index.size)}), and writes are dearer with it: take it "
                f"out of mlflow_database_indexes if that stays so."
            )
    if found.statements is None:
        said.append(
            "Which statements are slow is not known: pg_stat_statements is not there for this user. For it, PostgreSQL "
            "is started with shared_preload_libraries = 'pg_stat_statements', and its superuser says once in this "
            "database: CREATE EXTENSION pg_stat_statements;"
        )
    return said
