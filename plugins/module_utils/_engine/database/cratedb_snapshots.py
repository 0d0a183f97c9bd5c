# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of a database in CrateDB: its own snapshots, which pass through a repository (C(cratedb_repository.py))."""

from __future__ import annotations

import tarfile
import time
from pathlib import Path

from ..errors import DatabaseUnavailable, SchemaError, SnapshotError
from .base import Dump, Dumping, File, Loaded, Loading
from .cratedb_notes import REVISION, Notes
from .cratedb_repository import Repository, opened
from .cratedb_session import Session, quoted
from .cratedb_tables import Tables
from .cratedb_uri import CrateDBUri

# Of a dump.
FILE = "database.tar"
_REVISION_FILE, _REVISION_LENGTH = "revision", 100


def dump(session: Session, uri: CrateDBUri, to: Dumping[File]) -> Dump[File]:
    """Each table is of one moment, and those that were not written meanwhile are all of the same."""
    tables = Tables(session, uri, uri.schema)
    tables.wait_for_shards()
    if not tables.names():
        return Dump("", None, {}, [])  # a snapshot of no tables is no statement of CrateDB's
    revision = Notes(session, uri).read(REVISION + uri.schema)
    with opened(session, to.folder) as place:
        place.create(session, readonly=False)
        before = tables.writes()
        names = ", ".join(map(tables.quoted, tables.names()))
        session.run(f"CREATE SNAPSHOT {place.snapshot} TABLE {names} WITH (wait_for_completion = true)")
        version = _require_success(session, place)
        rows = tables.rows()
        after = tables.writes()
        # How many rows a snapshot has of a table that went on, only that table tells.
        rows |= _count(session, uri, place, [table for table in rows if before.get(table) != after.get(table)])
        to.require_room("copy", place.way.copies * place.size())
        place.fetch()
        (place.folder / _REVISION_FILE).write_text(revision or "")
        packed = to.folder / FILE
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
    with source.scratch() as scratch, opened(session, scratch) as place:
        size = sum(source.files.values())
        source.require_room(scratch, place.way.copies * size)
        source.require_room(place.folder, size)
        packed = scratch / FILE
        source.write(FILE, packed, durable=False)
        revision = _unpack(packed, place.folder)
        packed.unlink()
        place.send()
        place.create(session, readonly=True)
        _restore(session, uri, place, "TABLES", name)
        tables.wait_for_shards()
    seconds = round(time.monotonic() - began, 3)
    Notes(session, uri).write(REVISION + name, revision or None)
    if source.used:
        session.run("ANALYZE")
    return Loaded(tables.rows(), {"restore": seconds})


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


def _unpack(packed: Path, folder: Path) -> str:
    """Files and folders alone, which CrateDB may read.

    :returns: the revision of the schema, which lies among them.
    :raises SnapshotError: it is no archive that C(dump) wrote.
    """
    left = packed.stat().st_size
    try:
        with tarfile.open(packed, "r:") as archive:
            for member in archive:
                left -= member.size
                if left < 0:  # files with holes say more than the archive holds
                    raise tarfile.TarError(f"{member.name} is longer than the archive")
                if member.isfile() or member.isdir():
                    member.mode = 0o755 if member.isdir() else 0o644
                    archive.extract(member, folder, filter="data")
        with (folder / _REVISION_FILE).open() as file:
            return file.read(_REVISION_LENGTH)
    except (tarfile.TarError, EOFError, ValueError, FileNotFoundError, IsADirectoryError) as error:
        raise SnapshotError(f"{FILE} of the snapshot is no archive of a CrateDB: {error}.") from error
