# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of a database in CrateDB: its own snapshots, which pass through a folder that it and operators both see."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import DatabaseUnavailable, SchemaError, SnapshotError
from .base import Dump, Dumping, File, Loaded, Loading
from .cratedb_notes import REVISION, Notes
from .cratedb_session import Session, quoted
from .cratedb_tables import Tables
from .cratedb_uri import CrateDBUri

# Of a dump.
FILE = "database.tar"
_REVISION_FILE = "revision"
# What operators find in their environment: the folder of CrateDB's path.repo, under the same path for both.
FOLDER = "CRATEDB_REPOSITORY"
_SNAPSHOT = "dump"
_LEFT = re.compile(r"mlops_(\d{17})_[0-9a-f]{8}")


@dataclass(frozen=True)
class Repository:
    """A place of snapshots that is there for one dump or load."""

    name: str
    folder: Path

    @property
    def snapshot(self) -> str:
        return quoted(self.name, _SNAPSHOT)


def require_folder() -> Path:
    """
    :raises SnapshotError: there is none that this process may write.
    """
    folder = Path(os.environ.get(FOLDER) or "/repository")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise SnapshotError(
            f"Snapshots of CrateDB pass through the folder {folder}, which is not there or may not be written. Mount "
            f"what CrateDB has as path.repo there, or let {FOLDER} name it."
        )
    return folder


def dump(session: Session, uri: CrateDBUri, to: Dumping[File]) -> Dump[File]:
    """Each table is of one moment, and those that were not written meanwhile are all of the same."""
    tables = Tables(session, uri, uri.schema)
    tables.wait_for_shards()
    if not tables.names():
        return Dump("", None, {}, [])  # a snapshot of no tables is no statement of CrateDB's
    revision = Notes(session, uri).read(REVISION + uri.schema)
    with _repository(session) as place:
        _create(session, place, readonly=False)
        before = tables.writes()
        names = ", ".join(map(tables.quoted, tables.names()))
        session.run(f"CREATE SNAPSHOT {place.snapshot} TABLE {names} WITH (wait_for_completion = true)")
        version = _require_success(session, place)
        rows = tables.rows()
        after = tables.writes()
        # How many rows a snapshot has of a table that went on, only that table tells.
        rows |= _count(session, uri, place, [table for table in rows if before.get(table) != after.get(table)])
        (place.folder / _REVISION_FILE).write_text(revision or "")
        packed = to.folder / FILE
        to.require_room("copy", sum(path.stat().st_size for path in place.folder.rglob("*") if path.is_file()))
        with tarfile.open(packed, "w") as archive:
            archive.add(place.folder, ".")
        file = to.store(to.folder, packed, lambda: True)
        session.run(f"DROP SNAPSHOT {place.snapshot}")
    return Dump(version, revision, rows, [file])


def load(session: Session, uri: CrateDBUri, name: str, source: Loading) -> Loaded:
    """
    :param name: of the database alongside.
    """
    tables, began = Tables(session, uri, name), time.monotonic()
    with source.scratch() as scratch, _repository(session) as place:
        source.require_room(scratch, sum(source.files.values()))
        source.require_room(place.folder, sum(source.files.values()))
        packed = scratch / FILE
        source.write(FILE, packed, durable=False)
        _unpack(packed, place.folder)
        packed.unlink()
        revision = (place.folder / _REVISION_FILE).read_text()
        _create(session, place, readonly=True)
        _restore(session, uri, place, "TABLES", name)
        tables.wait_for_shards()
    seconds = round(time.monotonic() - began, 3)
    Notes(session, uri).write(REVISION + name, revision or None)
    if source.used:
        session.run("ANALYZE")
    return Loaded(tables.rows(), {"restore": seconds})


@contextmanager
def _repository(session: Session) -> Iterator[Repository]:
    parent = require_folder()
    _remove_left(session, parent)
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:17]
    name = f"mlops_{stamp}_{uuid.uuid4().hex[:8]}"
    place = Repository(name, parent / name)
    place.folder.mkdir()
    place.folder.chmod(0o777)  # CrateDB is another user, and the folder around it is theirs and ours alone
    try:
        yield place
    finally:
        _drop(session, name)
        shutil.rmtree(place.folder, ignore_errors=True)


def _create(session: Session, place: Repository, *, readonly: bool) -> None:
    session.run(
        f"CREATE REPOSITORY {quoted(place.name)} TYPE fs WITH (location = ?, compress = true, readonly = ?)",
        str(place.folder),
        readonly,
    )


def _drop(session: Session, name: str) -> None:
    if session.run("SELECT name FROM sys.repositories WHERE name = ?", name):
        session.run(f"DROP REPOSITORY {quoted(name)}")


def _remove_left(session: Session, parent: Path) -> None:
    """Of operations that were killed more than a day ago."""
    yesterday = datetime.fromtimestamp(time.time() - 86400, UTC).strftime("%Y%m%d%H%M%S%f")[:17]
    for path in parent.iterdir():
        found = _LEFT.fullmatch(path.name)
        if found and found[1] < yesterday:
            _drop(session, path.name)
            shutil.rmtree(path, ignore_errors=True)


def _require_success(session: Session, place: Repository) -> str:
    """
    :returns: the version of CrateDB that wrote it.
    """
    [(state, version, failures)] = session.run(
        "SELECT state, version, failures FROM sys.snapshots WHERE repository = ?", place.name
    )
    if state != "SUCCESS" or failures:
        raise SnapshotError(
            f"CrateDB ended the snapshot as {state}: {', '.join(failures or ['it says nothing more'])}."
        )
    return str(version)


def _restore(session: Session, uri: CrateDBUri, place: Repository, what: str, name: str) -> None:
    """
    :raises SnapshotError: not all of it was restored.
    """
    try:
        session.run(
            f"RESTORE SNAPSHOT {place.snapshot} {what} WITH (wait_for_completion = true, "
            f"schema_rename_replacement = ?, table_rename_replacement = ?)",
            uri.schema,
            f"{name}_$1",
        )
    except DatabaseUnavailable:
        raise
    except SchemaError as error:
        [(used,)] = session.run("SELECT max(100 * fs['total']['used'] / fs['total']['size']) FROM sys.nodes")
        raise SnapshotError(
            f"{error} CrateDB restores nothing onto a disk that is fuller than 85 % "
            f"(cluster.routing.allocation.disk.watermark.low), and has no more than 1000 shards on a node "
            f"(cluster.max_shards_per_node). Its fullest disk has {used} %."
        ) from error


def _count(session: Session, uri: CrateDBUri, place: Repository, changed: list[str]) -> dict[str, int]:
    """Rows of tables in a snapshot."""
    if not changed:
        return {}
    name = f"drill_{place.name.split('_')[1]}"
    counted = Tables(session, uri, name)
    names = ", ".join(quoted(uri.schema, table) for table in changed)
    try:
        _restore(session, uri, place, f"TABLE {names}", name)
        counted.wait_for_shards()
        return counted.rows()
    finally:
        counted.drop()


def _unpack(packed: Path, folder: Path) -> None:
    """Files and folders alone, which CrateDB may read."""
    with tarfile.open(packed) as archive:
        for member in archive:
            if member.isfile() or member.isdir():
                member.mode = 0o755 if member.isdir() else 0o644
                archive.extract(member, folder, filter="data")
    folder.chmod(0o755)
