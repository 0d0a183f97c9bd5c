# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where notes of operations lie whose data are files: in a folder that only the operator writes.

A restore notes there what it moves; a new database must not be made while such a note is there. And who reserves a
deployment for several operations says so there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from ..errors import SnapshotError

RESERVATION = "-reservation.json"


def file_of(target: str, place: str | None = None, ending: str = ".json") -> Path:
    """The note of a restore of this database (or folder): one file per target.

    :param ending: of the file's name, for another note.
    """
    place = place or default_place()
    if not os.path.isabs(place):
        raise SnapshotError(f"The folder of the journal, {place}, must be an absolute path: give journal_dir.")
    named = hashlib.sha256(os.fsencode(os.path.realpath(target))).hexdigest()
    return Path(os.path.realpath(place)) / f"{named[:32]}{ending}"


def default_place() -> str:
    if os.geteuid() == 0:
        return "/var/lib/mlops.mlflow/restore"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{state}/mlops.mlflow/restore"


def write(file: Path, text: str) -> None:
    """Write a note; on the disk when this returns.

    :raises SnapshotError: it could not be kept safely.
    """
    require_own(file.parent)
    new = file.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


def remove(file: Path) -> None:
    """Remove a note, and our own folders above it when they are empty: the home of a service user is its data."""
    file.unlink(missing_ok=True)
    if file.parent == Path(os.path.realpath(default_place())):
        with contextlib.suppress(OSError):
            os.removedirs(file.parent)


def require_own(folder: Path, *, create: bool = True) -> None:
    """
    :raises SnapshotError: somebody else could write there, or the folder cannot be made.
    """
    try:
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (folder, *folder.parents):
            if not path.exists():
                continue
            status = path.lstat()
            shared = status.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if status.st_gid not in (0, os.getegid()) else 0))
            if path != folder and status.st_mode & stat.S_ISVTX:
                shared = 0  # others can make something there, and not rename what is ours
            if status.st_uid not in (0, os.geteuid()) or shared or not stat.S_ISDIR(status.st_mode):
                raise SnapshotError(
                    f"A restore notes in {folder} what it moves, and {path} may be written by others than the user "
                    f"who restores. Give a folder that only this user writes as journal_dir."
                )
    except OSError as error:
        raise SnapshotError(
            f"A restore notes in {folder} what it moves, and that folder cannot be used: {error.strerror}. Give "
            f"another one as journal_dir."
        ) from error
