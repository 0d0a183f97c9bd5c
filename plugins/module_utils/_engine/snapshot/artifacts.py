# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts: read from a folder or a bucket, stored whole under their SHA-256, and not read again while unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import SnapshotError
from ..storage.base import BLOCK, Gone, Store, is_inside
from ..storage.cloud import Place, connect
from ..storage.folder import Folder
from . import layout

# Up to this size an artifact is held in memory, so that a bucket's is read once although its hash names the object.
_SMALL = 4 << 20
# A file that was changed so shortly before it was read may change again without another time stamp.
_RACY_SECONDS = 2.0
_ATTEMPTS = 3
# A file system's own, at the root of a volume.
LOST = b"lost+found"


@dataclass(frozen=True)
class Item:
    """An artifact as a listing shows it. C(path) is relative to the root; C(mark) changes when the content does."""

    path: str
    size: int
    mark: str | None
    modified: float


@dataclass(frozen=True)
class LeftOut:
    path: str
    reason: str


class Changing(Exception):
    """An artifact changed while it was read."""


class Source(Protocol):
    uri: str

    def items(self) -> Iterator[Item | LeftOut]: ...

    def find(self, path: str) -> Item | None: ...

    def read(self, path: str) -> Iterator[bytes]: ...


class FolderSource:
    """
    :param ours: entries of the root that are not artifacts, with the reason; nobody else gives them such names.
    """

    def __init__(self, path: str, ours: Mapping[str, str] | None = None) -> None:
        self.uri = path
        self._root = os.fsencode(path)
        self._ours = ours or {}

    def items(self) -> Iterator[Item | LeftOut]:
        if not os.path.isdir(self._root):
            raise SnapshotError(f"The folder of the artifacts, {self.uri}, does not exist or may not be read.")
        waiting = [self._root]
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(folder))
            except FileNotFoundError:
                continue
            except OSError as error:
                if folder == os.path.join(self._root, LOST):
                    yield LeftOut(os.fsdecode(LOST), "the file system's own folder, which may not be read")
                    continue
                # What cannot be read cannot be left out silently: a backup without it would look whole.
                raise SnapshotError(
                    f"The artifacts in {os.fsdecode(folder)} cannot be read: {error.strerror}."
                ) from error
            for entry in entries:
                path = os.fsdecode(os.path.relpath(entry.path, self._root))
                if path in self._ours:
                    yield LeftOut(path, self._ours[path])
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        yield _item(path, entry.stat(follow_symlinks=False))
                else:
                    kind = "symbolic link" if entry.is_symlink() else "special file"
                    yield LeftOut(path, f"a {kind}, no file")

    def find(self, path: str) -> Item | None:
        try:
            status = os.stat(os.path.join(self._root, os.fsencode(path)), follow_symlinks=False)
        except OSError:
            return None
        return _item(path, status) if stat.S_ISREG(status.st_mode) else None

    def read(self, path: str) -> Iterator[bytes]:
        try:
            with open(os.path.join(self._root, os.fsencode(path)), "rb", buffering=0) as file:
                while block := file.read(BLOCK):
                    yield block
        except FileNotFoundError as error:
            raise Changing from error
        except OSError as error:
            raise SnapshotError(f"The artifact {path} cannot be read: {error.strerror}.") from error


class CloudSource:
    def __init__(self, place: Place) -> None:
        self.uri = place.uri
        self._store = connect(place)

    def items(self) -> Iterator[Item | LeftOut]:
        for found in self._store.list(""):
            if is_inside(found.key):
                yield Item(found.key, found.size, found.etag, found.modified)
            else:
                yield LeftOut(found.key, "no file can have such a name")

    def find(self, path: str) -> Item | None:
        found = self._store.find(path)
        return Item(path, found.size, found.etag, found.modified) if found else None

    def read(self, path: str) -> Iterator[bytes]:
        try:
            yield from self._store.read(path)
        except Gone as error:
            raise Changing from error


def source_of(place: Place, ours: Mapping[str, str] | None = None) -> Source:
    return FolderSource(place.folder, ours) if place.folder is not None else CloudSource(place)


def _item(path: str, status: os.stat_result) -> Item:
    return Item(path, status.st_size, str(status.st_mtime_ns), status.st_mtime)


class Catalogue:
    """What is known of artifacts, in a file, because there may be millions: those of the snapshot before, the objects
    that the destination has, and those that this snapshot names."""

    def __init__(self, scratch: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(scratch / "catalogue", isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE before (path BLOB PRIMARY KEY, size, mark, sha256, object) WITHOUT ROWID",
            "CREATE TABLE present (object TEXT PRIMARY KEY, size) WITHOUT ROWID",
            "CREATE TABLE named (object TEXT PRIMARY KEY, size) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def load_before(self, store: Store, list_key: str) -> None:
        for row in rows_of(store, list_key, None):
            values = (_bytes(row["path"]), row["size"], row.get("mark"), row["sha256"], object_of(row))
            self._database.execute("INSERT OR REPLACE INTO before VALUES (?, ?, ?, ?, ?)", values)

    def load_present(self, store: Store, pending: frozenset[str]) -> None:
        for found in store.list(layout.ARTIFACTS):
            if found.key not in pending:
                self._database.execute("INSERT OR REPLACE INTO present VALUES (?, ?)", (found.key, found.size))

    def unchanged(self, item: Item) -> tuple[str, str] | None:
        """SHA-256 and object of an artifact that is as it was, and whose object is there."""
        if item.mark is None:
            return None
        with self._lock:
            found: tuple[str, str] | None = self._database.execute(
                "SELECT sha256, object FROM before JOIN present USING (object) "
                "WHERE path = ? AND mark = ? AND before.size = ? AND present.size = ?",
                (_bytes(item.path), item.mark, item.size, item.size),
            ).fetchone()
            return found

    def size_of(self, object_key: str) -> int | None:
        """Size of an object that was there when the backup began."""
        with self._lock:
            found = self._database.execute("SELECT size FROM present WHERE object = ?", (object_key,)).fetchone()
        return found[0] if found else None

    def name(self, object_key: str, size: int) -> None:
        with self._lock:
            self._database.execute("INSERT OR IGNORE INTO named VALUES (?, ?)", (object_key, size))

    def missing(self, store: Store) -> list[str]:
        """Objects that the snapshot names and the destination does not have now; some of them."""
        for found in store.list(layout.ARTIFACTS):
            self._database.execute("DELETE FROM named WHERE object = ? AND size = ?", (found.key, found.size))
        return [row[0] for row in self._database.execute("SELECT object FROM named LIMIT 5")]

    def close(self) -> None:
        self._database.close()


@dataclass
class Totals:
    count: int = 0
    size: int = 0
    read: int = 0
    new_bytes: int = 0


def store_all(
    source: Source,
    store: Store,
    catalogue: Catalogue,
    pending: frozenset[str],
    rows: layout.ListWriter,
    left_out: list[dict[str, str]],
    *,
    reread: bool,
    say: Callable[[Totals], None],
) -> Totals:
    """Store every artifact that the destination does not have, and write one row of each."""
    totals = Totals()
    under_way: deque[tuple[Item, Future[dict[str, Any] | LeftOut]]] = deque()

    def finish(limit: int) -> None:
        while len(under_way) > limit:
            keep(under_way.popleft()[1].result())

    def keep(row: dict[str, Any] | LeftOut) -> None:
        if isinstance(row, LeftOut):
            left_out.append({"what": f"artifact {row.path}", "why": row.reason})
            return
        totals.new_bytes += row.pop("added", 0)
        totals.read += row.pop("read", 0)
        totals.count += 1
        totals.size += row["size"]
        catalogue.name(object_of(row), row["size"])
        rows.add(row)
        say(totals)

    copier = _Copier(source, store, catalogue, pending)
    threads = 8 if store.named_first or isinstance(source, CloudSource) else 2
    pool = ThreadPoolExecutor(threads, thread_name_prefix="artifacts")
    try:
        for item in source.items():
            if isinstance(item, LeftOut):
                keep(item)
            elif not reread and (known := catalogue.unchanged(item)):
                keep(_row(item.path, item.size, known[0], known[1], item.mark))
            else:
                under_way.append((item, pool.submit(copier.copy, item)))
                finish(threads * 4)
        finish(0)
    finally:
        pool.shutdown(cancel_futures=True)
    return totals


class _Copier:
    def __init__(self, source: Source, store: Store, catalogue: Catalogue, pending: frozenset[str]) -> None:
        self._source = source
        self._store = store
        self._catalogue = catalogue
        self._pending = pending
        self._large = threading.Lock()  # one at a time, so that memory is bounded

    def copy(self, listed: Item) -> dict[str, Any] | LeftOut:
        item: Item | None = listed
        for _attempt in range(_ATTEMPTS):
            if item is None:
                return LeftOut(listed.path, "it was removed while the backup ran")
            began = time.time()
            try:
                sha256, target, added = self._copy(item)
            except Changing:
                item = self._source.find(listed.path)
                continue
            after = self._source.find(item.path)
            if after and (after.size, after.mark) == (item.size, item.mark):
                racy = isinstance(self._source, FolderSource) and began - item.modified < _RACY_SECONDS
                row = _row(item.path, item.size, sha256, target, None if racy else item.mark)
                return {**row, "added": added, "read": item.size}
            item = after
        return LeftOut(listed.path, "it was being written during the whole backup")

    def _copy(self, item: Item) -> tuple[str, str, int]:
        digest, size = hashlib.sha256(), 0

        def hashed() -> Iterator[bytes]:
            nonlocal size
            for block in self._source.read(item.path):
                digest.update(block)
                size += len(block)
                if size > item.size:
                    raise Changing
                yield block

        def object_key() -> str:
            if size != item.size:
                raise Changing
            target = layout.key(layout.ARTIFACTS, digest.hexdigest())
            return layout.fresh(target, self._pending, size, self._catalogue.size_of)

        if isinstance(self._store, Folder):
            target, added = self._store.put_hashed(hashed(), object_key)
            return digest.hexdigest(), target, added
        if item.size <= _SMALL:
            data = b"".join(hashed())
            target = object_key()
            added = 0 if self._catalogue.size_of(target) == size else size * self._store.put(target, data)
            return digest.hexdigest(), target, added
        with self._large:
            for _block in hashed():
                pass
            target, sha256 = object_key(), digest.hexdigest()
            if self._catalogue.size_of(target) == size:
                return sha256, target, 0
            self._store.put_stream(target, checked(self._source.read(item.path), item.size, sha256), item.size)
            return sha256, target, item.size


def checked(blocks: Iterator[bytes], size: int, sha256: str) -> Iterator[bytes]:
    """The same blocks; the last one only when all of them are what was said.

    :raises Changing: they are not.
    """
    digest, seen, held = hashlib.sha256(), 0, b""
    for block in blocks:
        if held:
            yield held
        digest.update(block)
        seen += len(block)
        held = block
    if seen != size or digest.hexdigest() != sha256:
        raise Changing
    if held:
        yield held


def proven(store: Store, row: dict[str, Any]) -> Iterator[bytes]:
    """An artifact's content, held against its size and hash before the last block is given.

    :raises SnapshotError: it is not what was backed up.
    """
    try:
        yield from checked(store.read(object_of(row), row["size"]), row["size"], row["sha256"])
    except Changing as error:
        raise SnapshotError(
            f"{object_of(row)} in {store.where} is damaged: the artifact {row['path']} is not what was backed up. The "
            f"live data was not touched."
        ) from error


def rows_of(store: Store, list_key: str, count: int | None) -> Iterator[dict[str, Any]]:
    """The rows of a list of artifacts, each one such as a backup writes.

    :param count: how many there are.
    :raises SnapshotError: another number, or a row that no backup writes.
    """
    seen = 0
    for row in layout.read_list(store, list_key):
        seen += 1
        if count is not None and seen > count:
            break
        if not _is_row(row):
            path = row.get("path") if isinstance(row, dict) else row
            raise SnapshotError(
                f"{list_key} in {store.where} is damaged: it names the artifact {str(path)[:200]!r} in a way that no "
                f"backup does."
            )
        yield row
    if count is not None and seen != count:
        raise SnapshotError(
            f"The list {list_key} in {store.where} has {'more' if seen > count else seen} artifacts, and its manifest "
            f"{count}: one of both is damaged."
        )


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not is_inside(row.get("path")):
        return False
    size, sha256, mark = row.get("size"), row.get("sha256"), row.get("mark")
    return (
        layout.is_number(size)
        and isinstance(sha256, str)
        and layout.is_key(layout.ARTIFACTS, layout.key(layout.ARTIFACTS, sha256))
        and (mark is None or isinstance(mark, str))
        and layout.is_key(layout.ARTIFACTS, object_of(row))
        and layout.name(object_of(row)).partition(".")[0] == sha256
    )


def object_of(row: dict[str, Any]) -> str:
    """Key of the object that holds an artifact."""
    return row.get("object") or layout.key(layout.ARTIFACTS, row["sha256"])


def _row(path: str, size: int, sha256: str, target: str, mark: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"path": path, "size": size, "sha256": sha256}
    if mark is not None:
        row["mark"] = mark
    if target != layout.key(layout.ARTIFACTS, sha256):
        row["object"] = target
    return row


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
