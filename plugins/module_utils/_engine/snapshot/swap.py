# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Putting restored data in the place of the live, wholly or not at all, even when the process is killed in between.

A journal on the disk lists the renames before the first is made. Whoever finds a journal undoes what it lists, unless
the exchange of PostgreSQL databases, which is the last step and one transaction, has happened: then it is done.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SnapshotError
from ..storage.durable import fsync

JOURNAL = ".mlops-restore.json"


@dataclass(frozen=True)
class Plan:
    """C(renames) of files and folders in order, and then C(databases) (old name, new name) in one transaction.

    C(proof) is the name that only exists when the databases were exchanged.
    """

    renames: list[tuple[str, str]]
    databases: list[tuple[str, str]] = field(default_factory=list)
    proof: str | None = None


def run(journal: Path | None, plan: Plan, rename_databases: Callable[[list[tuple[str, str]]], None]) -> None:
    """Do it all, or leave everything as it was.

    :raises SnapshotError: it could not be done; everything is as before.
    """
    if journal:
        _write(journal, plan)
    try:
        for old, new in plan.renames:
            _rename(old, new)
        if plan.databases:
            rename_databases(plan.databases)
    except Exception as error:
        _undo(plan.renames)
        if journal:
            _remove(journal)
        if isinstance(error, OSError):
            raise SnapshotError(
                f"The restored data could not be put in place, and everything is as before: {error.filename}: "
                f"{error.strerror}."
            ) from error
        raise
    if journal:
        _remove(journal)


def recover(journal: Path | None, database_exists: Callable[[str], bool]) -> str | None:
    """Finish what a killed restore began: undone, unless it had done everything. Returns what was found, for people."""
    if journal is None or not journal.exists():
        return None
    try:
        body = json.loads(journal.read_text())
        plan = Plan(
            [(str(a), str(b)) for a, b in body["renames"]],
            [(str(a), str(b)) for a, b in body["databases"]],
            body["proof"],
        )
    except (ValueError, KeyError, TypeError):
        # Its writing was interrupted, and nothing is renamed before it is on the disk.
        _remove(journal)
        return "an earlier restore was interrupted before it changed anything"
    if plan.proof and database_exists(plan.proof):
        _remove(journal)
        return "an earlier restore was interrupted after it had put everything in place"
    if not plan.databases and all(os.path.lexists(new) and not _again(old, plan) for old, new in plan.renames):
        _remove(journal)
        return "an earlier restore was interrupted after it had put everything in place"
    _undo(plan.renames)
    _remove(journal)
    return "an earlier restore was interrupted while it put the data in place; that was undone"


def _again(old: str, plan: Plan) -> bool:
    """Whether a name still holds what was to be moved away: not when a later step has put something new there."""
    return os.path.lexists(old) and all(new != old for _old, new in plan.renames)


def _undo(renames: Sequence[tuple[str, str]]) -> None:
    for old, new in reversed(renames):
        # A step was made when its target is there and its source is not.
        if os.path.lexists(new) and not os.path.lexists(old):
            _rename(new, old)
    made = {new for _old, new in renames}
    for old, new in renames:
        # What was live must be live again. Who started a server meanwhile may have made something new there.
        if old not in made and os.path.lexists(new) and new not in {first for first, _new in renames}:
            raise SnapshotError(
                f"An interrupted restore had moved {old} to {new}, and something else is at {old} now. Look at both, "
                f"keep the one you want as {old}, move the other away, remove {JOURNAL} there, and try again."
            )


def _rename(source: str, goal: str) -> None:
    os.rename(source, goal)
    for folder in sorted({os.path.dirname(source), os.path.dirname(goal)}):
        with contextlib.suppress(OSError):
            fsync(folder)


def _write(journal: Path, plan: Plan) -> None:
    text = json.dumps({"renames": plan.renames, "databases": plan.databases, "proof": plan.proof})
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync(journal.parent)


def _remove(journal: Path) -> None:
    journal.unlink(missing_ok=True)
    fsync(journal.parent)
