# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where objects lie: one interface over a folder, S3 and Azure Blob.

Objects are created and never changed. A reader sees an object whole or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import SnapshotError

# What is read at once. Memory is bounded by a few of these, whatever the size of an object.
BLOCK = 1 << 20


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
    """Objects under keys such as C(packs/ab/abcdef). C(where) names the place in messages."""

    where: str
    # Whether the hash of an object must be known before its first byte is written.
    named_first: bool

    @abstractmethod
    def put(self, key: str, data: bytes) -> bool:
        """Create an object; False when it is there already."""

    @abstractmethod
    def put_stream(self, key: str, blocks: Iterable[bytes], size: int) -> None:
        """Create an object of this size from blocks. An error of C(blocks) comes through; nothing is left."""

    @abstractmethod
    def read(self, key: str) -> Iterator[bytes]:
        """An object's content in blocks.

        :raises Gone: it is not there.
        """

    @abstractmethod
    def read_part(self, key: str, offset: int, length: int) -> bytes: ...

    @abstractmethod
    def look(self, key: str) -> Found | None: ...

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Found]:
        """The objects whose key starts with this folder, which ends with a slash or is empty. In no order."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    def settle(self) -> None:  # noqa: B027
        """Return when everything that was put survives a power cut."""

    def abandon(self) -> None:  # noqa: B027
        """Keep what is whole, and leave nothing that is not: the writer has failed."""

    def get(self, key: str) -> bytes:
        return b"".join(self.read(key))
