# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts brought back into a bucket, which cannot be exchanged as a folder can.

What is missing is added. What differs is copied aside first and put back if anything fails. What the snapshot does not
know stays: the restored database does not name it. So at every moment the live database finds its artifacts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from ..errors import SnapshotError
from ..storage.base import Store
from ..storage.cloud import Cloud, Place, connect
from . import journal
from .artifacts import proven, rows_of


class Bucket:
    """
    :param aside: a folder in the bucket for what is replaced. Clients can write there, so nothing there is believed
        that is not, with its hash, in the journal.
    """

    def __init__(self, place: Place, stamp: str, say: Callable[[str], None]) -> None:
        target = connect(place)
        if not isinstance(target, Cloud):
            raise AssertionError("artifacts outside a bucket are exchanged elsewhere")
        self._target = target
        self._aside = f"{journal.HIDDEN}before/{stamp}/"
        self._say = say
        self._present: dict[str, int] = {}

    def check(self, store: Store, list_key: str, count: int) -> int:
        """Read every object of the snapshot once, before the bucket is touched. Returns their number."""
        for row in rows_of(store, list_key, count):
            for _block in proven(store, row):
                pass
        return count

    def different(self, store: Store, list_key: str, count: int) -> dict[str, str]:
        """Artifacts of the bucket that have to be replaced, with the SHA-256 of each."""
        self._present = {found.key: found.size for found in self._target.list("")}
        different = {}
        for row in rows_of(store, list_key, count):
            path = row["path"]
            if path in self._present and (sha256 := self._hash(path)) != row["sha256"]:
                different[path] = sha256
        return different

    def fill(self, store: Store, list_key: str, count: int, different: Mapping[str, str]) -> None:
        """Add what is missing, replace what differs.

        :raises SnapshotError: it failed; M(undo) makes the bucket hold what it held for the live database.
        """
        for row in rows_of(store, list_key, count):
            path = row["path"]
            if path in different:
                self._target.copy(path, self._aside + path)
            elif path in self._present:
                continue
            # The library's put replaces: here that is meant, because the old one was copied.
            self._target.put_stream(path, proven(store, row), row["size"])
        if different:
            self._say(f"{len(different)} artifacts that differed are kept under {self._aside}")

    def undo(self, different: Mapping[str, str]) -> int:
        """Roll back what was replaced. Returns how many were."""
        back = 0
        for path, sha256 in different.items():
            key = self._aside + path
            if self._target.find(key):
                if self._hash(key) != sha256:
                    raise SnapshotError(
                        f"{key} in {self._target.where} is not what was there as {path} before an interrupted restore: "
                        f"somebody wrote it since. Remove it, and restore again."
                    )
                self._target.copy(key, path)
                self._target.delete(key)
                back += 1
        return back

    def finish(self, different: Mapping[str, str]) -> None:
        """Everything is in place: what differed is needed no more for going back."""
        for path in different:
            self._target.delete(self._aside + path)

    def _hash(self, path: str) -> str:
        digest = hashlib.sha256()
        for block in self._target.read(path):
            digest.update(block)
        return digest.hexdigest()
