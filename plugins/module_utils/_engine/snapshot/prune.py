# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Removing snapshots and what only they held, while others write.

Objects are marked first, and removed by a run that comes at least the longest allowed backup later. A backup that began
before the mark has written its manifest by then, or may not write it any more; one that begins after the mark does not
rely on what is marked. So no lock is needed, and a writer never waits.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import progress
from ..errors import BadInput, SnapshotError
from ..storage.base import Gone, Store
from ..storage.folder import Folder
from . import chunks, layout, manifest
from .artifacts import object_of, rows_of
from .manifest import Manifest

# So many objects are named by one mark.
_MARKED = 500_000
# Clocks of different machines may differ by so much.
_SKEW_SECONDS = 600.0


@dataclass(frozen=True)
class Pruned:
    """What a run did, or in check mode would do."""

    removed: list[str]
    kept: list[str]
    marked: int
    deleted: int
    freed: int

    @property
    def changed(self) -> bool:
        return bool(self.removed or self.marked or self.deleted)


def pending(store: Store) -> frozenset[str]:
    """Objects that a prune is about to remove: nobody may rely on them any more."""
    found: set[str] = set()
    for mark in list(store.list(layout.MARKS)):
        try:
            found.update(_read(store, mark.key))
        except Gone:
            continue  # that prune has ended meanwhile
    return frozenset(found)


def prune(
    store: Store,
    *,
    name: str | None,
    keep_days: float,
    keep_count: int,
    max_seconds: float,
    check: bool = False,
    say: progress.Say = progress.silent,
) -> Pruned:
    """Remove snapshots that are older than C(keep_days) and not among the newest C(keep_count); then what nobody needs.

    :param name: only of this deployment; the objects that any snapshot needs stay in any case.
    """
    if keep_count < 1:
        raise BadInput("keep_count must be at least 1: the last snapshot is never pruned.")
    snapshots = [manifest.load(store, snapshot) for snapshot in manifest.ids(store)]  # a damaged one stops everything
    ours = [snapshot for snapshot in snapshots if name is None or snapshot.name == name]
    pending(store)  # and so does a mark that nobody wrote
    limit = time.time() - keep_days * 86400
    old = [snapshot for snapshot in ours[keep_count:] if snapshot.age_from < limit]
    kept = [snapshot for snapshot in snapshots if snapshot not in old]
    if not check:
        for snapshot in old:
            store.delete(f"{layout.MANIFESTS}{snapshot.id}.json")
    deleted, freed = _sweep(store, max_seconds, kept, check, say)
    marked = _mark(store, max_seconds, kept, check)
    return Pruned([one.id for one in old], [one.id for one in kept if one in ours], marked, deleted, freed)


def _sweep(store: Store, max_seconds: float, kept: list[Manifest], check: bool, say: progress.Say) -> tuple[int, int]:
    """Remove what an earlier run marked long enough ago and what no snapshot needs now."""
    due = []
    for mark in list(store.list(layout.MARKS)):
        written = _written(store, mark.key)
        if max(written, mark.modified) + max_seconds + _SKEW_SECONDS <= time.time():
            due.append(mark.key)
    if not due:
        return 0, 0
    if not check:
        # Not those that were read at the beginning: a manifest may have been written since.
        kept = [manifest.load(store, snapshot) for snapshot in manifest.ids(store)]
    needed = _needed(store, kept)
    deleted = freed = 0
    for mark_key in due:
        for object_key in sorted(_read(store, mark_key), key=lambda one: not one.startswith(layout.INDEXES)):
            if object_key in needed or not (found := store.find(object_key)):
                continue
            if not check:
                store.delete(object_key)
            deleted += 1
            freed += found.size
        if not check:
            store.delete(mark_key)
    say(f"Removed {deleted} objects, {progress.size(freed)}")
    return deleted, freed


def _mark(store: Store, max_seconds: float, kept: list[Manifest], check: bool) -> int:
    """Mark what no snapshot needs and what is too old to belong to a backup that still runs."""
    needed = _needed(store, kept if check else [manifest.load(store, snapshot) for snapshot in manifest.ids(store)])
    already = pending(store)
    limit = time.time() - max_seconds - _SKEW_SECONDS
    unneeded = [
        found.key
        for kind in (layout.INDEXES, layout.PACKS, layout.LISTS, layout.ARTIFACTS)
        for found in store.list(kind)
        if layout.is_key(kind, found.key)
        and found.key not in needed
        and found.key not in already
        and found.modified < limit
    ]
    if not check:
        for start in range(0, len(unneeded), _MARKED):
            text = layout.zstd().ZstdCompressor().compress(json.dumps(unneeded[start : start + _MARKED]).encode())
            now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
            store.put(f"{layout.MARKS}{now}-{uuid.uuid4().hex[:8]}", text)
        store.settle()
        if isinstance(store, Folder):
            store.clean(limit)
    return len(unneeded)


def _needed(store: Store, snapshots: list[Manifest]) -> set[str]:
    """Every object that one of these snapshots needs."""
    needed: set[str] = set()
    seen: set[str] = set()
    for snapshot in snapshots:
        for database in snapshot.databases.values():
            for file in database.files:
                needed.add(file.chunks)
                if file.chunks in seen:
                    continue
                seen.add(file.chunks)
                for row in chunks.rows_of(store, file.chunks, file.size):
                    needed.add(layout.key(layout.PACKS, row[1]))
                    needed.add(layout.key(layout.INDEXES, row[1]))
        if snapshot.artifacts:
            needed.add(snapshot.artifacts.list)
            if snapshot.artifacts.list not in seen:
                seen.add(snapshot.artifacts.list)
                rows = rows_of(store, snapshot.artifacts.list, snapshot.artifacts.count)
                needed.update(object_of(row) for row in rows)
    return needed


def _written(store: Store, mark_key: str) -> float:
    """When a mark was written, as its name says."""
    try:
        if not re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", layout.name(mark_key)):
            raise ValueError
        return datetime.strptime(layout.name(mark_key)[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise _damaged(store, mark_key) from error


def _read(store: Store, mark_key: str) -> list[str]:
    """What a mark names, all of it objects that prune may remove."""
    _written(store, mark_key)
    try:
        found = json.loads(layout.unpacked(store.get(mark_key, layout.LARGE), layout.LARGE))
    except (ValueError, RecursionError) as error:
        raise _damaged(store, mark_key) from error
    kinds = (layout.INDEXES, layout.PACKS, layout.LISTS, layout.ARTIFACTS)
    if not isinstance(found, list) or not all(any(layout.is_key(kind, one) for kind in kinds) for one in found):
        raise _damaged(store, mark_key)
    return found


def _damaged(store: Store, mark_key: str) -> SnapshotError:
    return SnapshotError(
        f"{mark_key} in {store.where} is damaged, or no prune wrote it. Nothing was removed. Remove it, then try again."
    )
