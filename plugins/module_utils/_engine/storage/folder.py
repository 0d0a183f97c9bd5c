# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A folder as an object store: only its owner may read it, and nothing has a name before it is on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import NotAllowed, SnapshotError
from .base import BLOCK, Found, Gone, Store
from .durable import fsync

_INCOMING = "incoming"
# So many files, or so many bytes, are brought to the disk together: the first fsync does most of the work of the rest.
_BATCH_FILES = 256
_BATCH_BYTES = 64 << 20


class Folder(Store):
    """Objects are files 0600 in folders 0700.

    What root writes belongs to whom the folder belongs, because a schedule may run as another user than Ansible.

    A new object is written under another name and brought to the disk; only then it gets its name. Names that are given
    in one batch are there after M(settle), or earlier.
    """

    named_first = False

    def __init__(self, path: str, *, create: bool = True) -> None:
        self.where = path
        self.root = Path(path)
        self._lock = threading.RLock()
        self._pending: dict[str, Path] = {}
        self._pending_bytes = 0
        if not self.root.is_absolute():
            raise SnapshotError(f"The folder {path} must be an absolute path.")
        if create:
            self._make(self.root / _INCOMING)
        elif not self.root.is_dir():
            raise SnapshotError(f"The folder {path} does not exist: nothing was ever backed up there.")
        if (self.root / _INCOMING).is_symlink():
            raise SnapshotError(f"{_INCOMING} in {path} cannot be used: it is a link.")

    def _put(self, key: str, data: bytes) -> bool:
        if self.find(key):
            return False
        return self._enqueue(key, self._write([data]), len(data))

    def _put_stream(self, key: str, blocks: Iterable[bytes], size: int) -> None:
        self._enqueue(key, self._write(blocks), size)

    def put_hashed(self, blocks: Iterable[bytes], key_of: Callable[[], str]) -> tuple[str, int]:
        """Create an object whose key is known when its last block was read. Returns the key and the bytes added."""
        incoming = self._write(blocks)
        key = key_of()
        if self.find(key):
            incoming.unlink()
            return key, 0
        size = incoming.stat().st_size
        return key, size * self._enqueue(key, incoming, size)

    def _read(self, key: str) -> Iterator[bytes]:
        with self._open(key) as file:
            while block := self._reading(file.read, key, BLOCK):
                yield block

    def _read_part(self, key: str, offset: int, length: int) -> bytes:
        with self._open(key) as file:
            self._reading(file.seek, key, offset)
            return self._reading(file.read, key, length)

    def _find(self, key: str) -> Found | None:
        try:
            with self._parent(key) as (folder, name):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused(error, key) from error
        return Found(key, status.st_size, status.st_mtime) if stat.S_ISREG(status.st_mode) else None

    def list(self, prefix: str) -> Iterator[Found]:
        self._commit()
        waiting = [self.root / prefix] if prefix else [self.root]
        if prefix and waiting[0].is_symlink():
            return
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(folder))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._refused(error, str(folder)) from error
            for entry in entries:
                key = os.path.relpath(entry.path, self.root)
                if entry.is_dir(follow_symlinks=False):
                    if key != _INCOMING:
                        waiting.append(Path(entry.path))
                    continue
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        continue  # nothing of ours
                    yield Found(key, status.st_size, status.st_mtime)

    def _delete(self, key: str) -> None:
        try:
            with self._parent(key) as (folder, name):
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused(error, key) from error

    def settle(self) -> None:
        self._commit()

    def abandon(self) -> None:
        try:
            self._commit()
        except SnapshotError:
            for incoming in self._pending.values():
                incoming.unlink(missing_ok=True)
            self._pending.clear()

    def clean(self, older_than: float) -> int:
        """Remove what killed writers left half-written before this time. Returns the bytes."""
        freed = 0
        for path in sorted((self.root / _INCOMING).rglob("*"), reverse=True):
            with contextlib.suppress(OSError):  # removed meanwhile, or a folder that is not empty
                status = path.lstat()
                if status.st_mtime >= older_than:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    path.rmdir()
                else:
                    path.unlink()
                    freed += status.st_size
        return freed

    @property
    def scratch(self) -> Path:
        """A folder on the same disk for what is not an object yet."""
        return self.root / _INCOMING

    @contextlib.contextmanager
    def _parent(self, key: str) -> Iterator[tuple[int, str]]:
        """The folder of an object, held open, and the object's name in it. No link is followed below the root.

        :raises OSError: there is no such folder.
        """
        with self._lock:
            pending = self._pending.get(key)
        with (
            self._open_folder(pending.parent, [pending.name])
            if pending
            else self._open_folder(self.root, key.split("/")) as found
        ):
            yield found

    @staticmethod
    @contextlib.contextmanager
    def _open_folder(root: Path, parts: Sequence[str], *, create: bool = False) -> Iterator[tuple[int, str]]:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                try:
                    inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                except FileNotFoundError:
                    if not create:
                        raise
                    _make(folder, part)
                    inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder, parts[-1]
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _open(self, key: str) -> Iterator[IO[bytes]]:
        try:
            with self._parent(key) as (folder, name):
                # Not blocking: what lies there may be a pipe that nobody writes into.
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Gone(f"{key} is not in {self.where}.") from error
        except OSError as error:
            raise self._refused(error, key) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SnapshotError(f"{key} in {self.where} cannot be used: it is no file.")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _reading(self, act: Callable[[int], Any], key: str, number: int) -> Any:
        try:
            return act(number)
        except OSError as error:
            raise self._refused(error, key) from error

    def _write(self, blocks: Iterable[bytes]) -> Path:
        path = self.root / _INCOMING / uuid.uuid4().hex
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                if os.geteuid() == 0:
                    os.fchown(descriptor, *_owner(self.root))
                for block in blocks:
                    view = memoryview(block)
                    while view:
                        view = view[os.write(descriptor, view) :]
            finally:
                os.close(descriptor)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise self._refused(error, path.name) from error
            raise
        return path

    def _enqueue(self, key: str, incoming: Path, size: int) -> bool:
        """Let what was written have its name with the next batch, unless another thread was first. Says which."""
        with self._lock:
            if key in self._pending:
                incoming.unlink()
                return False
            self._pending[key] = incoming
            self._pending_bytes += size
            if len(self._pending) >= _BATCH_FILES or self._pending_bytes >= _BATCH_BYTES:
                self._commit()
            return True

    def _commit(self) -> None:
        with self._lock:
            folders = set()
            try:
                for incoming in self._pending.values():
                    fsync(incoming)
                for key, incoming in self._pending.items():
                    folders.add((self.root / key).parent)
                    # A link, because a rename would replace; somebody else may have been first with the same content.
                    place = self._open_folder(self.root, key.split("/"), create=True)
                    with place as (folder, name), contextlib.suppress(FileExistsError):
                        os.link(incoming, name, dst_dir_fd=folder)
                    incoming.unlink()
                for written in folders:
                    fsync(written)
            except OSError as error:
                raise self._refused(error, str(error.filename)) from error
            self._pending.clear()
            self._pending_bytes = 0

    def _make(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        try:
            for path in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                    if os.geteuid() == 0:
                        os.chown(path, *_owner(path.parent))
                fsync(path.parent)
        except OSError as error:
            raise self._refused(error, str(path)) from error

    def _refused(self, error: OSError, what: str) -> SnapshotError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return SnapshotError(f"The disk of {self.where} is full. Free space there, or remove old snapshots first.")
        kind = NotAllowed if isinstance(error, PermissionError) else SnapshotError
        return kind(f"{what} in {self.where} cannot be used: {error.strerror or error}.")


def _owner(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_uid, status.st_gid


def _make(folder: int, name: str) -> None:
    """A folder in an open one, of the same owner, on the disk."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=folder)
        if os.geteuid() == 0:
            status = os.fstat(folder)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)
