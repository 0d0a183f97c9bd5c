# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts brought back into a bucket, which cannot be exchanged as a folder can.

What is missing is added. What differs is copied aside first and put back if anything fails. What the snapshot does not
know stays: the restored database does not name it. So at every moment the live database finds its artifacts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import SnapshotError
from ..storage.base import Store
from ..storage.cloud import Cloud, Place, connect
from . import layout
from .artifacts import OURS, Changing, checked, object_of

_ASIDE = f"{OURS}before/"


class Bucket:
    def __init__(self, store: Store, place: Place, list_key: str, stamp: str, say: Callable[[str], None]) -> None:
        target = connect(place)
        if not isinstance(target, Cloud):
            raise AssertionError("artifacts outside a bucket are exchanged elsewhere")
        self._target = target
        self._store = store
        self._list = list_key
        self._aside = f"{_ASIDE}{stamp}/"
        self._say = say
        self._changed: list[str] = []
        self.notes: list[str] = []

    def check(self) -> int:
        """Read every object of the snapshot once, before the bucket is touched. Returns their number."""
        self._undo_earlier()
        count = 0
        for row in self._rows():
            for _block in self._proven(row):
                pass
            count += 1
        return count

    def fill(self) -> None:
        """Add what is missing, replace what differs.

        :raises SnapshotError: it failed; the bucket holds for the live database what it held.
        """
        present = {found.key: found.size for found in self._target.list("")}
        try:
            for row in self._rows():
                path = row["path"]
                if path in present:
                    if present[path] == row["size"] and self._hash(path) == row["sha256"]:
                        continue
                    self._target.copy(path, self._aside + path)
                    self._changed.append(path)
                    # The library's put replaces: here that is meant, because the old one was copied.
                self._target.put_stream(path, self._proven(row), row["size"])
        except BaseException:
            self.undo()
            raise
        if self._changed:
            self._say(f"{len(self._changed)} artifacts that differed are kept under {self._aside}")

    def undo(self) -> None:
        for path in self._changed:
            self._target.copy(self._aside + path, path)
            self._target.delete(self._aside + path)
        self._changed = []

    def finish(self) -> None:
        """Everything is in place: what differed is needed no more for going back."""
        for path in self._changed:
            self._target.delete(self._aside + path)

    def _undo_earlier(self) -> None:
        """A restore that was killed left what it had replaced."""
        left = [found.key for found in self._target.list(_ASIDE)]
        for key in left:
            path = key.removeprefix(_ASIDE).partition("/")[2]
            self._target.copy(key, path)
            self._target.delete(key)
        if left:
            self.notes.append(f"an earlier restore was interrupted; {len(left)} artifacts were put back first")

    def _hash(self, path: str) -> str:
        digest = hashlib.sha256()
        for block in self._target.read(path):
            digest.update(block)
        return digest.hexdigest()

    def _rows(self) -> Iterator[dict[str, Any]]:
        for row in layout.read_list(self._store, self._list):
            if any(part in ("", ".", "..") for part in row["path"].split("/")) or row["path"].startswith(OURS):
                raise SnapshotError(f"The snapshot names the artifact '{row['path']}', which cannot be one: refused.")
            yield row

    def _proven(self, row: dict[str, Any]) -> Iterator[bytes]:
        try:
            yield from checked(self._store.read(object_of(row)), row["size"], row["sha256"])
        except Changing as error:
            raise SnapshotError(
                f"{object_of(row)} in {self._store.where} is damaged: the artifact {row['path']} is not what was "
                f"backed up. The live data was not touched."
            ) from error
