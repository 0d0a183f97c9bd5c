# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of objects in a destination, and lists as objects. C(docs/snapshot_format.md) tells the whole."""

from __future__ import annotations

import hashlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import MissingLibrary, SnapshotError
from ..storage.base import BLOCK, Store

MANIFESTS, ARTIFACTS, LISTS, PACKS, INDEXES, MARKS, RESULTS = (
    "manifests/",
    "artifacts/",
    "lists/",
    "packs/",
    "indexes/",
    "marks/",
    "results/",
)


# What is read of a manifest, a mark or an index, and of one row of a list: each many times what is ever written.
SMALL = 64 << 20
LARGE = 256 << 20
_ROW = 1 << 20
# Lists up to here are written in one request: those of empty tables are the same, several write them side by side, and
# Azure forgets the parts of an object that another one has finished meanwhile.
_AT_ONCE = 4 << 20
# What a frame of zstd may ask for: the levels in use take 4 MiB at most.
_WINDOW = 32 << 20
_NAME = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{30}|\1[0-9a-f]{62})(\.[1-9][0-9]{0,8})?")


def is_key(kind: str, object_key: object) -> bool:
    """Whether an object of this kind can have that key."""
    return (
        isinstance(object_key, str)
        and object_key.startswith(kind)
        and _NAME.fullmatch(object_key, len(kind)) is not None
    )


def unpacker() -> Any:
    """What unpacks objects, within bounded memory."""
    return zstd().ZstdDecompressor(max_window_size=_WINDOW)


def unpacked(data: bytes, limit: int, by: Any = None) -> bytes:
    """What was compressed, where it is not more than this.

    :param by: an C(unpacker) that is used again.
    :raises ValueError: it is no such thing.
    """
    found, left = [], limit + 1
    try:
        with (by or unpacker()).stream_reader(io.BytesIO(data)) as reader:
            while left and (block := reader.read(min(left, BLOCK))):
                found.append(block)
                left -= len(block)
    except zstd().ZstdError as error:
        raise ValueError("it is not compressed as it should be") from error
    if not left:
        raise ValueError("it is too big")
    return b"".join(found)


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

    def store(self, store: Store, pending: frozenset[str]) -> tuple[str, int]:
        """Put the list under its hash. Returns the key and the bytes added."""
        self._writer.close()
        self._file.flush()
        digest = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            digest.update(block)
        size = self._file.tell()

        def sizes(candidate: str) -> int | None:
            found = store.find(candidate)
            return found.size if found else None

        target = fresh(key(LISTS, digest.hexdigest()), pending, size, sizes)
        added = 0
        if sizes(target) is None:
            self._file.seek(0)
            if size <= _AT_ONCE:
                added = size * store.put(target, self._file.read())
            else:
                store.put_stream(target, iter(lambda: self._file.read(BLOCK), b""), size)
                added = size
        self._file.close()
        self._path.unlink()
        return target, added


def read_list(store: Store, list_key: str) -> Iterator[Any]:
    """The rows of a list. Who reads them knows how many there may be, and stops.

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
        lines = io.BufferedReader(unpacker().stream_reader(blocks, read_across_frames=True), BLOCK)
        while line := lines.readline(_ROW):
            yield json.loads(line)
        while blocks.readinto(bytearray(BLOCK)):
            pass
    except (zstd().ZstdError, ValueError, RecursionError) as error:
        raise damaged from error
    if digest.hexdigest() != name(list_key).partition(".")[0]:
        raise damaged


def fresh(object_key: str, pending: frozenset[str], size: int, size_of: Callable[[str], int | None]) -> str:
    """The same key, or one beside it: never rely on an object that prune is about to remove, or that was cut off.

    :param size_of: the size of an object that is there, or None.
    """
    number, candidate = 0, object_key
    while candidate in pending or size_of(candidate) not in (None, size):
        number += 1
        candidate = f"{object_key}.{number}"
    return candidate


def is_number(value: Any) -> bool:
    """Whether what a destination holds is a count or a size; a truth value is none, though to Python it is an int."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
