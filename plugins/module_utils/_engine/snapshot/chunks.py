# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps, cut where their content says, so that a small change moves few cuts; each chunk is stored once.

A dump that is compressed as a whole changes as a whole. Cut into chunks of about 64 KiB that are compressed alone, one
per cent of changed rows costs about one per cent of the bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from ..errors import MissingLibrary, SnapshotError
from ..storage.base import Store
from . import layout

# Part of the format only in so far as another average finds fewer chunks again.
_AVERAGE = 64 << 10
_PACK = 8 << 20
# On dumps, level 1 is both quicker and smaller than 2 or 3.
_LEVEL = 1
# Chunks that one thread takes at once, and batches that may be under way.
_BATCH = 16
_LOCATION = struct.Struct("<IIII")
# Bytes of a chunk that a reader takes: many times what is ever written.
_LONGEST = 16 << 20


class Chunks:
    """Stores chunks that the destination does not have yet, in packs."""

    def __init__(self, store: Store, pending: frozenset[str], threads: int = 2) -> None:
        self.new_bytes = 0
        self._store = store
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="chunks")
        self._compressors = threading.local()
        self._packs: list[str] = []
        # chunk -> where: in which pack (a number), at which place, how long, how long unpacked
        self._known: dict[bytes, bytes] = {}
        self._reused: set[int] = set()
        self._old_packs = 0
        self._buffer = bytearray()
        self._rows: list[tuple[str, int, int, int]] = []
        self._load(pending)
        self._packs.append(uuid.uuid4().hex)

    @property
    def reused_packs(self) -> set[str]:
        """Keys of packs that were there before and hold a chunk of what was cut here."""
        return {layout.key(layout.PACKS, self._packs[number]) for number in self._reused}

    def cut(self, source: IO[bytes], rows: layout.ListWriter) -> int:
        """Cut a file, store what is new, and write one row per chunk. Returns its size."""
        cutter = _cutter()
        size = 0
        under_way: deque[Future[list[Any]]] = deque()
        batch: list[bytes] = []

        def finish(limit: int) -> None:
            while len(under_way) > limit:
                for row in under_way.popleft().result():
                    rows.add(row)

        for chunk in cutter.cut_stream(source):
            data = bytes(chunk.data)
            size += len(data)
            batch.append(data)
            if len(batch) == _BATCH:
                under_way.append(self._threads.submit(self._keep, batch))
                batch = []
                finish(4)
        under_way.append(self._threads.submit(self._keep, batch))
        finish(0)
        return size

    def __enter__(self) -> Chunks:
        return self

    def __exit__(self, *_failure: object) -> None:
        """End the threads, so that none writes after a failure; what they have not begun is left."""
        self._threads.shutdown(cancel_futures=True)

    def finish(self) -> None:
        """Write what is left; after this everything that was cut is in the store."""
        self._threads.shutdown()
        with self._lock:
            self._flush()

    def _keep(self, batch: list[bytes]) -> list[Any]:
        if not hasattr(self._compressors, "one"):
            self._compressors.one = layout.zstd().ZstdCompressor(level=_LEVEL)
        rows = []
        for data in batch:
            chunk = hashlib.sha256(data).digest()
            place = self._known.get(chunk)
            if place is None:
                packed = self._compressors.one.compress(data)
                place = self._append(chunk, packed, len(data))
            number, offset, length, size = _LOCATION.unpack(place)
            if number < self._old_packs:
                self._reused.add(number)
            rows.append([chunk.hex(), self._packs[number], offset, length, size])
        return rows

    def _append(self, chunk: bytes, packed: bytes, size: int) -> bytes:
        with self._lock:
            if place := self._known.get(chunk):
                return place  # the other thread was first
            place = _LOCATION.pack(len(self._packs) - 1, len(self._buffer), len(packed), size)
            self._rows.append((chunk.hex(), len(self._buffer), len(packed), size))
            self._buffer += packed
            self._known[chunk] = place
            if len(self._buffer) >= _PACK:
                self._flush()
            return place

    def _flush(self) -> None:
        if not self._rows:
            return
        pack = self._packs[-1]
        if not self._store.put(layout.key(layout.PACKS, pack), bytes(self._buffer)):
            raise SnapshotError(f"The pack {pack} exists already in {self._store.where}.")
        text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in self._rows)
        index = layout.zstd().ZstdCompressor(level=6).compress(text.encode())
        self._store.put(layout.key(layout.INDEXES, pack), index)
        self.new_bytes += len(self._buffer) + len(index)
        self._buffer.clear()
        self._rows.clear()
        self._packs.append(uuid.uuid4().hex)

    def _load(self, pending: frozenset[str]) -> None:
        """What the destination has already. An index is written after its pack, so its chunks are there."""
        packs = {found.key: found.size for found in self._store.list(layout.PACKS)}
        for found in self._store.list(layout.INDEXES):
            pack = layout.name(found.key)
            pack_key = layout.key(layout.PACKS, pack)
            if pack_key in pending or pack_key not in packs:
                continue
            number = len(self._packs)
            try:
                text = layout.unpacked(self._store.get(found.key, layout.SMALL), layout.SMALL)
                rows = [json.loads(line) for line in text.splitlines()]
                if sum(length for _chunk, _offset, length, _size in rows) != packs[pack_key]:
                    continue
                places = {
                    bytes.fromhex(chunk): _LOCATION.pack(number, offset, length, size)
                    for chunk, offset, length, size in rows
                }
            except (SnapshotError, ValueError, TypeError, RecursionError, struct.error):
                continue  # damaged: what it holds is stored again
            self._packs.append(pack)
            for one, place in places.items():
                self._known.setdefault(one, place)
        self._old_packs = len(self._packs)


class Growing:
    """A file that another program is still writing, as a stream that ends when that program has ended."""

    def __init__(self, path: Path, ended: Callable[[], bool]) -> None:
        self._file = path.open("rb", buffering=0)
        self._ended = ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            last = self._ended()  # asked before reading: what was written before the end is read
            count = self._file.readinto(buffer)
            if count or last:
                return count or 0
            time.sleep(0.02)

    def read(self, size: int = -1) -> bytes:
        buffer = bytearray(size if size >= 0 else 1 << 20)
        return bytes(buffer[: self.readinto(buffer)])

    def close(self) -> None:
        self._file.close()


def rows_of(store: Store, list_key: str, size: int) -> Iterator[list[Any]]:
    """The rows of a list of chunks, each one such as a backup writes.

    :param size: of the file that they make.
    :raises SnapshotError: they make another, or a row is none that a backup writes.
    """
    left = size
    for row in layout.read_list(store, list_key):
        if not _is_row(row):
            raise SnapshotError(f"{list_key} in {store.where} is damaged: it holds a row that no backup writes.")
        left -= row[4]
        if left < 0:
            break
        yield row
    if left:
        raise SnapshotError(f"{list_key} in {store.where} is damaged: its chunks do not make {size} bytes.")


def _is_row(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 5 or not all(map(layout.is_number, row[2:])):
        return False
    chunk, pack, offset, length, size = row
    return (
        isinstance(chunk, str)
        and isinstance(pack, str)
        and layout.is_key(layout.PACKS, layout.key(layout.PACKS, pack))
        and 0 <= offset < 1 << 40
        and 0 < length <= _LONGEST
        and 0 < size <= _LONGEST
    )


def assemble(store: Store, list_key: str, size: int) -> Iterator[bytes]:
    """A file's content again, chunk by chunk, each held against its hash.

    :param size: of the whole file.
    :raises SnapshotError: a chunk is missing or is not what was stored.
    """
    unpacker = layout.unpacker()
    window: tuple[str, int, bytes] = ("", 0, b"")
    for run in _runs(rows_of(store, list_key, size)):
        pack, start, end = run[0][1], run[0][2], run[-1][2] + run[-1][3]
        window = (pack, start, store.read_part(layout.key(layout.PACKS, pack), start, end - start))
        for chunk, _pack, offset, length, size in run:
            begin = offset - window[1]
            try:
                data = layout.unpacked(window[2][begin : begin + length], size, unpacker)
            except ValueError as error:
                raise _damaged(store, pack) from error
            if len(data) != size or hashlib.sha256(data).hexdigest() != chunk:
                raise _damaged(store, pack)
            yield data


def _runs(rows: Iterator[Any]) -> Iterator[list[Any]]:
    """Rows that lie one behind the other in a pack, to be read at once; up to about 1 MiB."""
    run: list[Any] = []
    for row in rows:
        if run and (row[1] != run[-1][1] or row[2] != run[-1][2] + run[-1][3] or row[2] - run[0][2] > 1 << 20):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def write_file(path: Path, blocks: Iterator[bytes], size: int, what: str, *, durable: bool = True) -> None:
    """Write a file of proven blocks, and hold the whole against its size.

    :param durable: bring it to the disk, for what is more than a step on the way.
    :raises SnapshotError: it is not the file that was backed up.
    """
    written = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for block in blocks:
            written += len(block)
            if written > size:
                break
            file.write(block)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if written != size:
        raise SnapshotError(f"{what} is damaged: it is not what was backed up.")


def _damaged(store: Store, pack: str) -> SnapshotError:
    return SnapshotError(
        f"{layout.key(layout.PACKS, pack)} in {store.where} is damaged: a chunk in it is not what was stored."
    )


def _cutter() -> Any:
    try:
        import pyfastcdc
    except ImportError as error:
        raise MissingLibrary("pyfastcdc", "cut dumps into chunks") from error
    return pyfastcdc.FastCDC(_AVERAGE)
