# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What killed restores and drills left, and what restores moved aside: brought back, or removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .. import progress
from ..database.base import Database
from ..errors import BadInput, SnapshotError
from ..storage.cloud import Place
from . import bucket_restore, journal, swap


def recover(artifacts: Place | None, note: journal.Journal) -> list[str]:
    """Finish what a killed restore began: undone, unless it had done everything. Returns what was found, for people."""
    said = []
    for found in note.read():
        names, steps = note.names(found.note.stamp), found.note.steps
        renames = [names.move(step) for step in steps if not names.by_server(step)]
        replaced = found.note.replaced
        bucket = None
        if replaced:
            if artifacts is None or artifacts.folder is not None:
                raise SnapshotError(
                    "An earlier restore was interrupted that also replaced artifacts in a bucket, and this one names "
                    "no bucket. Nothing was changed. Restore to the same target as then."
                )
            bucket = bucket_restore.Bucket(artifacts, found.note.stamp, progress.silent)
        if found.done or (renames and len(renames) == len(steps) and swap.made(renames)):
            if bucket:
                bucket.finish(replaced)
            said.append("an earlier restore was interrupted after it had put everything in place")
            continue
        swap.undo(renames)
        back = bucket.undo(replaced) if bucket else 0
        note.settle(found)
        if back:
            said.append(f"an earlier restore was interrupted; {back} artifacts were put back first")
        said.append(
            "an earlier restore was interrupted while it put the data in place; that was undone"
            if steps or replaced
            else "an earlier restore was interrupted before it changed anything"
        )
    return said


def remove_leftovers(databases: Sequence[Database], folder: str | None, note: journal.Journal, *, drill: bool) -> None:
    """What killed restores and drills left beside the live data. Another restore of the same target must not run.

    :param folder: of the artifacts.
    """
    yesterday = stamp(time.time() - 86400)

    def superfluous(act: str, found: str) -> bool:
        # A restore that was cut off is the next restore's business.
        return not drill if act == "restoring" else found < yesterday

    if folder and not drill and os.path.ismount(folder):
        # Clients can give any name there: only the stamps of restores that the databases or the journal show are ours.
        for ours in journal.stamps(databases) | {found.note.stamp for found in note.read()}:
            names = note.names(ours)
            discard(names.hidden("restoring"))
            with contextlib.suppress(OSError):
                names.hidden("before").rmdir()  # only where nothing is in it
    elif folder and not os.path.ismount(folder):
        live = Path(folder)
        for path in live.parent.iterdir() if live.parent.is_dir() else ():
            match = re.fullmatch(rf"{re.escape(live.name)}[.](restoring|drill)-(\d{{17}})", path.name)
            if match and superfluous(match[1], match[2]):
                discard(path)
    # Servers at last, because the names and comments of their databases say what the others are.
    for database in sorted(databases, key=lambda one: one.server() is not None):
        names_there = database.names()
        for act in ("restoring", "drill"):
            for name in names_there:
                found = database.stamp_of(name, act)
                if found and superfluous(act, found):
                    database.discard(name)
    if not drill:
        note.clear()


def remove_replaced(
    databases: Iterable[Database], folder: str | None, names: Sequence[str], *, check: bool = False
) -> list[str]:
    """Remove what an earlier restore of this target moved aside. Returns what was there.

    :param folder: of the artifacts.
    :raises BadInput: a name that no restore of this target gives.
    """
    found = {name: _owner_of(name, databases, folder) for name in names}
    there = [name for name, owner in found.items() if (owner.has(name) if owner else os.path.lexists(name))]
    for name in () if check else there:
        if owner := found[name]:
            owner.discard(name)
        else:
            discard(Path(name))
    return there


def _owner_of(name: str, databases: Iterable[Database], folder: str | None) -> Database | None:
    """The database that was moved aside under this name; None for artifacts."""
    for database in databases:
        if any(database.stamp_of(name.removesuffix(ending), "before") for ending in database.endings):
            return database
    if folder is not None:
        root = re.escape(folder)
        if re.fullmatch(rf"{root}([.]|/{re.escape(journal.HIDDEN)})before-\d{{17}}", name):
            return None
    raise BadInput(f"'{name}' is not what a restore of this target moved aside: it is not removed.")


def discard(path: Path) -> None:
    """Remove a file, link or folder; nothing behind a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def stamp(seconds: float) -> str:
    """A time as part of a name, exact to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S%f")[:17]
