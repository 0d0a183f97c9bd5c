# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of objects in a destination, and lists as objects. C(docs/snapshot_format.md) tells the whole."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import MissingLibrary, SnapshotError
from ..storage.base import BLOCK, Store

MANIFESTS, ARTIFACTS, LISTS, PACKS, INDEXES, MARKS = (
    "manifests/",
    "artifacts/",
    "lists/",
    "packs/",
    "indexes/",
    "marks/",
)


def key(kind: str, name: str) -> str:
    """Folders of two letters keep a folder destination quick."""
    return f"{kind}{name[:2]}/{name}"


def name(object_key: str) -> str:
    return object_key.rpartition("/")[2]


def zstd() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingLibrary("zstandard", "compress snapshots") from error
    return zstandard


class ListWriter:
    """Rows (JSON, one a line, zstd) that are collected in a file, because there may be millions."""

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / f"list-{uuid.uuid4().hex}"
        self._file: IO[bytes] = self._path.open("w+b")
        self._writer = zstd().ZstdCompressor(level=6).stream_writer(self._file, closefd=False)
        self.rows = 0

    def add(self, row: Any) -> None:
        self._writer.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        self.rows += 1

    def store(self, store: Store, condemned: frozenset[str]) -> tuple[str, int]:
        """Put the list under its hash. Returns the key and the bytes added."""
        self._writer.close()
        self._file.flush()
        digest = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            digest.update(block)
        size = self._file.tell()

        def sizes(candidate: str) -> int | None:
            found = store.look(candidate)
            return found.size if found else None

        target = fresh(key(LISTS, digest.hexdigest()), condemned, size, sizes)
        added = 0
        if sizes(target) is None:
            self._file.seek(0)
            store.put_stream(target, iter(lambda: self._file.read(BLOCK), b""), size)
            added = size
        self._file.close()
        self._path.unlink()
        return target, added


def read_list(store: Store, list_key: str) -> Iterator[Any]:
    """The rows of a list.

    :raises SnapshotError: it is not there, or not what its name says; found when the last row was read.
    """
    digest = hashlib.sha256()

    class Blocks(io.RawIOBase):
        def __init__(self) -> None:
            self._blocks = store.read(list_key)
            self._rest = memoryview(b"")

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not self._rest:
                block = next(self._blocks, b"")
                digest.update(block)
                self._rest = memoryview(block)
            count = min(len(buffer), len(self._rest))
            buffer[:count] = self._rest[:count]
            self._rest = self._rest[count:]
            return count

    blocks = Blocks()
    damaged = SnapshotError(f"{list_key} in {store.where} is damaged: its content does not match its name.")
    try:
        for line in io.BufferedReader(zstd().ZstdDecompressor().stream_reader(blocks, read_across_frames=True), BLOCK):
            yield json.loads(line)
        while blocks.readinto(bytearray(BLOCK)):
            pass
    except (zstd().ZstdError, ValueError) as error:
        raise damaged from error
    if digest.hexdigest() != name(list_key).partition(".")[0]:
        raise damaged


def fresh(object_key: str, condemned: frozenset[str], size: int, size_of: Callable[[str], int | None]) -> str:
    """The same key, or one beside it: never rely on an object that prune is about to remove, or that was cut off.

    :param size_of: the size of an object that is there, or None.
    """
    number, candidate = 0, object_key
    while candidate in condemned or size_of(candidate) not in (None, size):
        number += 1
        candidate = f"{object_key}.{number}"
    return candidate
