# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts of a snapshot, put into a folder alongside the live one, with the owner and rights of that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import progress
from ..errors import SnapshotError
from ..storage.durable import fsync


def fill(
    new: Path,
    like: Path,
    rows: Iterable[dict[str, Any]],
    content: Callable[[dict[str, Any]], Iterator[bytes]],
    done: Callable[[], None],
) -> None:
    """Write all artifacts into a folder that is empty, and bring them to the disk.

    :param like: owner and mode of all.
    :param content: the blocks of a row's artifact.
    :param done: called after each.
    """
    with named_disk(new.parent):
        for row in rows:
            path = new / row["path"]
            _make_folders(path.parent, like)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for block in content(row):
                    file.write(block)
            same_owner(path, like, mode=None)
            done()
        _sync(new)


def _make_folders(folder: Path, like: Path) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700)
        same_owner(path, like, mode=None)


def same_owner(path: Path, like: Path, mode: int | None = -1) -> None:
    status = like.stat()
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)
    if mode is not None and like.is_dir() == path.is_dir():
        path.chmod(status.st_mode & 0o7777)


def require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SnapshotError(
            f"There is no room beside the live data: {folder} needs {progress.size(needed)}, and {progress.size(free)} "
            f"are free. Nothing was changed."
        )


@contextmanager
def named_disk(folder: Path) -> Iterator[None]:
    """Turns an error of the disk into one that people can act on."""
    try:
        yield
    except OSError as error:
        raise SnapshotError(
            f"The restore could not write to {folder}: {error.strerror}. The live data was not touched."
        ) from error


def _sync(folder: Path) -> None:
    """Bring a whole folder to the disk before its name becomes the live one's."""
    if hasattr(os, "sync"):
        os.sync()
    fsync(folder)
