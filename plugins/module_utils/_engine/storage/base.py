# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where objects lie: one interface over a folder, S3 and Azure Blob.

Objects are created and never changed. A reader sees an object whole or not at all.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import SnapshotError

# What is read at once. Memory is bounded by a few of these, whatever the size of an object.
BLOCK = 1 << 20
# Bytes of a key, and of a file's path: Linux takes no longer one.
_LONGEST = 4096


def is_inside(key: object) -> bool:
    """Whether this is a key, or a file's path, that stays in its place. The only check of this kind."""
    if not isinstance(key, str) or "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        return False
    try:
        return len(os.fsencode(key)) <= _LONGEST
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class Found:
    """An object as a listing shows it. C(modified) is in seconds since 1970, by the store's own clock."""

    key: str
    size: int
    modified: float
    etag: str | None = None


class Gone(SnapshotError):
    """An object is not there (any more)."""


class Store(ABC):
    """Objects under keys such as C(packs/ab/abcdef). C(where) names the place in messages.

    What a store holds was written by others: each key is checked here, and readers say how much they expect.
    """

    where: str
    # Whether the hash of an object must be known before its first byte is written.
    named_first: bool

    def put(self, key: str, data: bytes) -> bool:
        """Create an object; False when it is there already."""
        return self._put(self._checked(key), data)

    def put_stream(self, key: str, blocks: Iterable[bytes], size: int) -> None:
        """Create an object of this size from blocks. An error of C(blocks) comes through; nothing is left."""
        self._put_stream(self._checked(key), blocks, size)

    def read(self, key: str, limit: int | None = None) -> Iterator[bytes]:
        """An object's content in blocks.

        :param limit: how many bytes it may have; no block beyond them is given.
        :raises Gone: it is not there.
        """
        seen = 0
        for block in self._read(self._checked(key)):
            seen += len(block)
            if limit is not None and seen > limit:
                raise SnapshotError(f"{key} in {self.where} is damaged: it has more than the expected {limit} bytes.")
            yield block

    def read_part(self, key: str, offset: int, length: int) -> bytes:
        return self._read_part(self._checked(key), offset, length)

    def get(self, key: str, limit: int) -> bytes:
        return b"".join(self.read(key, limit))

    def find(self, key: str) -> Found | None:
        return self._find(self._checked(key))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        self._delete(self._checked(key))

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Found]:
        """The objects whose key starts with this folder, which ends with a slash or is empty. In no order."""

    def settle(self) -> None:  # noqa: B027
        """Return when everything that was put survives a power cut."""

    def abandon(self) -> None:  # noqa: B027
        """Keep what is whole, and leave nothing that is not: the writer has failed."""

    def _checked(self, key: str) -> str:
        if not is_inside(key):
            raise SnapshotError(f"{str(key)[:200]!r} cannot be the key of an object in {self.where}: refused.")
        return key

    @abstractmethod
    def _put(self, key: str, data: bytes) -> bool: ...

    @abstractmethod
    def _put_stream(self, key: str, blocks: Iterable[bytes], size: int) -> None: ...

    @abstractmethod
    def _read(self, key: str) -> Iterator[bytes]: ...

    @abstractmethod
    def _read_part(self, key: str, offset: int, length: int) -> bytes: ...

    @abstractmethod
    def _find(self, key: str) -> Found | None: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...
