# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where snapshots of CrateDB pass through, on their way into a backup and out of one: a folder that it and operators
both see, or a bucket that both reach. Each dump or load has a repository of its own there, and removes it."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ..errors import BadInput, SnapshotError
from ..storage.base import BLOCK, Store, is_inside
from ..storage.cloud import Place, connect
from .cratedb_repository_settings import ACCESS_KEY, ENDPOINT, PLACE, REGION, SECRET_KEY
from .cratedb_session import Session, quoted

_LEFT = re.compile(r"mlops_(\d{17})_[0-9a-f]{8}")


class Way(ABC):
    """Where repositories lie.

    :cvar kind: as CrateDB calls it.
    :cvar copies: how often a dump lies in the scratch folder at once.
    """

    kind: ClassVar[str]
    copies: ClassVar[int]

    @abstractmethod
    def require(self) -> None:
        """
        :raises SnapshotError: it cannot be used.
        """

    @abstractmethod
    def names(self) -> set[str]:
        """What lies there, by the name of its repository."""

    @abstractmethod
    def options(self, name: str) -> dict[str, Any]:
        """Of the statement that creates a repository."""

    @abstractmethod
    def make(self, name: str, scratch: Path) -> Path:
        """The folder in which its files are, or are to be put, here."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of its files."""

    @abstractmethod
    def fetch(self, name: str, folder: Path) -> None:
        """Have in the folder what CrateDB wrote."""

    @abstractmethod
    def send(self, name: str, folder: Path) -> None:
        """Let CrateDB read what is in the folder."""

    @abstractmethod
    def remove(self, name: str) -> None: ...


class SharedFolder(Way):
    kind, copies = "fs", 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def require(self) -> None:
        if not self._folder.is_dir() or not os.access(self._folder, os.W_OK | os.X_OK):
            raise SnapshotError(
                f"Snapshots of CrateDB pass through the folder {self._folder}, which is not there or may not be "
                f"written. Mount what CrateDB has as path.repo there, or let {PLACE} name it."
            )

    def names(self) -> set[str]:
        return {path.name for path in self._folder.iterdir()}

    def options(self, name: str) -> dict[str, Any]:
        return {"location": str(self._folder / name)}

    def make(self, name: str, scratch: Path) -> Path:
        folder = self._folder / name
        folder.mkdir()
        folder.chmod(0o777)  # CrateDB is another user, and the folder around it is theirs and ours alone
        return folder

    def size(self, name: str) -> int:
        return sum(path.stat().st_size for path in _files(self._folder / name))

    def fetch(self, name: str, folder: Path) -> None:
        """They are there."""

    def send(self, name: str, folder: Path) -> None:
        folder.chmod(0o755)

    def remove(self, name: str) -> None:
        shutil.rmtree(self._folder / name, ignore_errors=True)


class Bucket(Way):
    kind, copies = "s3", 2

    def __init__(self, place: Place) -> None:
        parts = urlsplit(place.uri)
        if not parts.netloc or not parts.path.strip("/"):
            raise BadInput(f"{PLACE} is '{place.uri}'; it must be s3://BUCKET/PREFIX, which nothing else uses.")
        if not (place.access_key and place.secret_key):
            raise BadInput(
                f"{PLACE} is a bucket, whose keys must be in {ACCESS_KEY} and {SECRET_KEY}: CrateDB is told them."
            )
        self._place, self._bucket, self._prefix = place, parts.netloc, parts.path.strip("/")

    def require(self) -> None:
        self.names()

    def names(self) -> set[str]:
        return {found.key.partition("/")[0] for found in self._store().list("")}

    def options(self, name: str) -> dict[str, Any]:
        endpoint = self._place.endpoint
        return {
            "bucket": self._bucket,
            "base_path": f"{self._prefix}/{name}",
            "access_key": self._place.access_key,
            "secret_key": self._place.secret_key,
            **({"endpoint": endpoint, "protocol": urlsplit(endpoint).scheme} if endpoint else {}),
            # It guesses regions wrong, and of a store that is not AWS it finds none (seen with 6.4.1).
            "region": self._place.region or "us-east-1",
            "use_path_style_access": bool(endpoint),
        }

    def make(self, name: str, scratch: Path) -> Path:
        folder = scratch / name
        folder.mkdir()
        return folder

    def size(self, name: str) -> int:
        return sum(found.size for found in self._store(name).list(""))

    def fetch(self, name: str, folder: Path) -> None:
        store = self._store(name)
        for found in store.list(""):
            # Others may have written there.
            if not is_inside(found.key):
                raise SnapshotError(f"{found.key[:200]!r} in {store.where} is nothing that CrateDB writes: refused.")
            path = folder / found.key
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    for block in store.read(found.key, found.size):
                        file.write(block)
            except (FileExistsError, NotADirectoryError) as error:
                raise SnapshotError(
                    f"{found.key[:200]!r} in {store.where} is a file and a folder, as nothing of CrateDB: refused."
                ) from error

    def send(self, name: str, folder: Path) -> None:
        store = self._store(name)
        for path in _files(folder):
            store.put_stream(str(path.relative_to(folder)), _blocks(path), path.stat().st_size)

    def remove(self, name: str) -> None:
        store = self._store(name)
        for found in list(store.list("")):
            store.delete(found.key)

    def _store(self, *below: str) -> Store:
        return connect(Place(**{**vars(self._place), "uri": "/".join([f"s3://{self._bucket}", self._prefix, *below])}))


@dataclass(frozen=True)
class Repository:
    """One that is there for one dump or load. C(folder): its files, here."""

    way: Way
    name: str
    folder: Path

    @property
    def snapshot(self) -> str:
        return quoted(self.name, "dump")

    def create(self, session: Session, *, readonly: bool) -> None:
        options = self.way.options(self.name)
        named = ", ".join(f"{option} = ?" for option in options)
        session.run(
            f"CREATE REPOSITORY {quoted(self.name)} TYPE {self.way.kind} WITH ({named}, compress = true, readonly = ?)",
            *options.values(),
            readonly,
        )

    def size(self) -> int:
        return self.way.size(self.name)

    def fetch(self) -> None:
        self.way.fetch(self.name, self.folder)

    def send(self) -> None:
        self.way.send(self.name, self.folder)


def configured() -> Way:
    """
    :raises BadInput: what the environment says is neither a folder nor a bucket.
    """
    said = {name: os.environ.get(name) or None for name in (PLACE, ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY)}
    uri = said[PLACE] or "/repository"
    if not uri.startswith("s3://"):
        return SharedFolder(Path(uri))
    return Bucket(Place(uri, said[ENDPOINT], said[REGION], said[ACCESS_KEY], said[SECRET_KEY]))


@contextmanager
def opened(session: Session, scratch: Path) -> Iterator[Repository]:
    way = configured()
    way.require()
    _remove_left(session, way)
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:17]
    name = f"mlops_{stamp}_{uuid.uuid4().hex[:8]}"
    place = Repository(way, name, way.make(name, scratch))
    try:
        yield place
    finally:
        _drop(session, name)
        way.remove(name)


def _drop(session: Session, name: str) -> None:
    if session.run("SELECT name FROM sys.repositories WHERE name = ?", name):
        session.run(f"DROP REPOSITORY {quoted(name)}")


def _remove_left(session: Session, way: Way) -> None:
    """Of operations that were killed more than a day ago."""
    yesterday = datetime.fromtimestamp(time.time() - 86400, UTC).strftime("%Y%m%d%H%M%S%f")[:17]
    for name in way.names():
        found = _LEFT.fullmatch(name)
        if found and found[1] < yesterday:
            _drop(session, name)
            way.remove(name)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
