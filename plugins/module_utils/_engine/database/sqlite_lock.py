# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock of a deployment whose database is a file: another file alongside, which the kernel releases."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import CannotRead, LockHeld

# What is read of who holds it.
_LONGEST = 4096


def path_of(database: str) -> str:
    """The file that is locked for a SQLite database."""
    return f"{database}.in-use"


@contextlib.contextmanager
def held(database: str, words: str, shared: bool) -> Iterator[None]:
    """
    :param words: of who holds it, for who is refused meanwhile.
    :raises LockHeld: another has it.
    """
    path = Path(path_of(database))
    if not path.parent.is_dir():
        yield  # there is nothing yet that could be changed
        return
    descriptor = _locked(path, shared)
    try:
        if not shared:
            os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{words}, process {os.getpid()}\n".encode())
        yield
    finally:
        with contextlib.suppress(OSError):  # another holds it too, who removes it then
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        os.close(descriptor)


def holders(database: str) -> list[str]:
    """The words of those who hold it now. Not by trying to lock it: somebody else would be refused meanwhile."""
    try:
        with open(path_of(database), "rb") as file:
            lines = file.read(_LONGEST).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CannotRead(f"Who works on {database} cannot be read: {error.strerror}.") from error
    return [line for line in lines if _lives(line)]


def _locked(path: Path, shared: bool) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            lines = os.pread(descriptor, _LONGEST, 0).decode(errors="replace").splitlines()
            os.close(descriptor)
            holders = [line for line in lines if _lives(line)]
            raise LockHeld(
                f"Another operation works on the database {path.with_suffix('')}: "
                f"{'; '.join(holders) or 'it has just ended'}. Nothing was changed. Try again when it has ended; "
                f"ending its process releases the lock."
            ) from None
        # Its last holder removes the file: the lock of one that is gone is none.
        try:
            if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _lives(line: str) -> bool:
    number = line.rpartition(" ")[2]
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True
