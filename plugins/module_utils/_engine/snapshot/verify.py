# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which snapshots there are, whether they are whole, and whether a new one is due."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import progress
from ..errors import CannotRead, SnapshotError
from ..storage.base import Store
from ..storage.cloud import Place, connect
from . import artifacts, chunks, layout, manifest
from .manifest import Manifest

# Clocks of hosts are never quite the same.
_CLOCKS_DIFFER_HOURS = 1


@dataclass
class Verified:
    """What was read again. C(problems) is empty when all of it was what was stored."""

    snapshot: str
    objects: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)


def snapshots(place: Place, name: str | None) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Summaries, the newest first; and beside them the snapshots that are damaged, with the reason.

    :raises EngineError: they could not be looked at, such as for want of a library: that says nothing about them.
    """
    store = connect(place, create=False)
    good, bad = [], []
    for snapshot in manifest.ids(store):
        try:
            found = manifest.load(store, snapshot)
        except CannotRead:
            raise
        except SnapshotError as error:
            bad.append({"id": snapshot, "problem": str(error)})
            continue
        if name is None or found.name == name:
            good.append(found.summary())
    return good, bad


def overdue(newest: dict[str, Any] | None, max_age_hours: float) -> str | None:
    """Why a new snapshot is due; None when it is not."""
    if newest is None:
        return "there is no snapshot"
    age = (time.time() - datetime.fromisoformat(newest["created"]).timestamp()) / 3600
    if age < -_CLOCKS_DIFFER_HOURS:
        # It would hide for as long that backups have stopped.
        return (
            f"the newest snapshot is of {newest['created']}, which is yet to come: the clock of this host or of that "
            f"which wrote it is wrong; set it, and remove that snapshot, or all later ones seem older"
        )
    return (
        f"the newest snapshot is {age:.1f} h old, and {max_age_hours:g} h are allowed" if age > max_age_hours else None
    )


def verify(
    place: Place, wanted: str, *, share: float = 1.0, seed: int | None = None, say: progress.Say = progress.silent
) -> Verified:
    """Read the objects of a snapshot again and hold each against its hash.

    :param share: 1.0 for all; below that a random part of artifacts and chunks, and the existence of all.
    """
    store = connect(place, create=False)
    snapshot = manifest.find(store, wanted)
    result = Verified(snapshot.id)
    chosen = random.Random(seed)  # noqa: S311  (a sample, no secret)
    now = progress.Now(say)
    _databases(store, snapshot, share, chosen, result)
    _artifacts(store, snapshot, share, chosen, result, now)
    return result


def _databases(store: Store, snapshot: Manifest, share: float, chosen: random.Random, result: Verified) -> None:
    packs = {found.key for found in store.list(layout.PACKS)}
    for what, database in snapshot.databases.items():
        for file in database.files:
            try:
                for row in chunks.rows_of(store, file.chunks, file.size):
                    if layout.key(layout.PACKS, row[1]) not in packs:
                        raise SnapshotError(f"{layout.key(layout.PACKS, row[1])} is not in {store.where}.")
                if chosen.random() < share:
                    result.size += sum(len(data) for data in chunks.assemble(store, file.chunks, file.size))
                    result.objects += 1
            except CannotRead:
                raise
            except SnapshotError as error:
                result.problems.append(f"{what} database, {file.path}: {error}")


def _artifacts(
    store: Store, snapshot: Manifest, share: float, chosen: random.Random, result: Verified, now: progress.Now
) -> None:
    if not snapshot.artifacts:
        return
    present = {found.key: found.size for found in store.list(layout.ARTIFACTS)}
    try:
        for row in artifacts.rows_of(store, snapshot.artifacts.list, snapshot.artifacts.count):
            object_key = artifacts.object_of(row)
            if present.get(object_key) != row["size"]:
                state = "missing" if object_key not in present else "of another size"
                result.problems.append(f"artifact {row['path']}: {object_key} is {state}")
                continue
            if chosen.random() >= share:
                continue
            try:
                for block in artifacts.proven(store, row):
                    result.size += len(block)
                result.objects += 1
            except CannotRead:
                raise
            except SnapshotError as error:
                result.problems.append(f"artifact {row['path']}: {error}")
            now(lambda: f"Read {result.objects} objects, {progress.size(result.size)}")
    except CannotRead:
        raise
    except SnapshotError as error:
        result.problems.append(f"list of the artifacts: {error}")
