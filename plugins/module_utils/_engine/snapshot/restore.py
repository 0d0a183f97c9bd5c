# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bringing a snapshot back: all is loaded beside the live data and proven there, and only then takes its place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import progress
from ..connection import DatabaseUri
from ..database import postgresql_loading, postgresql_server, postgresql_tools, revisions, sqlite
from ..database.postgresql import PostgreSQL
from ..errors import BadInput, EngineError, MissingLibrary, SnapshotError
from ..storage.base import Store
from ..storage.cloud import Place, connect
from ..storage.durable import fsync
from . import artifacts, bucket_restore, chunks, fingerprint, journal, manifest, swap
from .backup import AUTH, TRACKING, scratch_folder
from .manifest import Database, Manifest

_KINDS = {TRACKING: revisions.TRACKING, AUTH: revisions.AUTH}


@dataclass(frozen=True)
class Target:
    """What is restored to; the same words as of a backup's source. C(grantee) is the servers' role on PostgreSQL."""

    databases: Mapping[str, str]
    password: str | None = field(default=None, repr=False)
    artifacts: Place | None = None
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    grantee: str | None = None


@dataclass(frozen=True)
class Options:
    pg_bindir: str | None = None
    jobs: int = 2
    scratch_dir: str | None = None
    keep_replaced: bool = True
    journal_dir: str | None = None


@dataclass
class Report:
    """What was restored or tried. C(live) are the rows of the live databases beside those of the snapshot."""

    snapshot: Manifest
    secrets: dict[str, str]
    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    live: dict[str, dict[str, int] | None] = field(default_factory=dict)
    artifacts: int = 0
    replaced: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "snapshot": self.snapshot.summary(),
            "secrets": self.secrets,
            "rows": self.rows,
            "live_rows": self.live,
            "artifacts": self.artifacts,
            "replaced": self.replaced,
            "notes": self.notes,
            "seconds": self.seconds,
        }


def check(destination: Place, wanted: str, target: Target, options: Options, *, drill: bool) -> Report:
    """Everything that can be said before anything is loaded.

    :raises EngineError: the restore would be refused, and why.
    """
    store = connect(destination, create=False)
    snapshot = manifest.find(store, wanted)
    report = Report(snapshot, fingerprint.compare(snapshot.secrets, dict(target.secrets)))
    if not drill:
        _journal(target, options).require()
    wants = {what for what in target.databases if target.databases[what]}
    if missing := sorted(wants - set(snapshot.databases)):
        raise BadInput(f"The snapshot {snapshot.id} does not hold the database: {', '.join(missing)}.")
    for what in sorted(wants):
        _check_database(what, snapshot.databases[what], target, options, report, drill=drill)
    if target.artifacts and not snapshot.artifacts:
        raise BadInput(f"The snapshot {snapshot.id} holds no artifacts.")
    for left in sorted(set(snapshot.databases) - wants):
        report.notes.append(f"the {left} database of the snapshot is not restored, because none was named")
    if not target.artifacts and snapshot.artifacts and not drill:
        report.notes.append("the artifacts of the snapshot are not restored, because no place was named")
    for name, state in report.secrets.items():
        if state == "another":
            report.notes.append(f"the secret {name} is another than when the snapshot was taken")
    return report


def run(
    destination: Place,
    wanted: str,
    target: Target,
    options: Options,
    *,
    drill: bool = False,
    say: progress.Say = progress.silent,
) -> Report:
    """Restore a snapshot, or try to (C(drill)): loaded and compared beside the live data, then removed.

    :raises EngineError: it failed; what was live still is.
    """
    note = _journal(target, options)
    recovered = [] if drill else _recover(target, note)
    _remove_leftovers(target, note, drill=drill)
    report = check(destination, wanted, target, options, drill=drill)
    report.notes += recovered
    store = connect(destination, create=False)
    work = _Restore(store, report, target, options, note, _stamp(time.time()), say, drill=drill)
    try:
        work.load()
        if not drill:
            work.exchange()
    finally:
        work.clean()
    if not drill and not options.keep_replaced:
        remove_replaced(target, report.replaced)
        report.replaced = []
    return report


def remove_replaced(target: Target, names: list[str], *, check: bool = False) -> list[str]:
    """Remove what an earlier restore of this target moved aside. Returns what was there.

    :raises BadInput: a name that no restore of this target gives.
    """
    places: dict[str, postgresql_server.Server | None] = {}
    if target.artifacts and target.artifacts.folder is not None:
        root = re.escape(str(Path(target.artifacts.folder)))
        places[f"{root}[.]before-"] = places[f"{root}/{re.escape(journal.HIDDEN)}before-"] = None
    for uri in filter(None, target.databases.values()):
        database = DatabaseUri.parse(uri)
        if database.path is not None:
            places[f"{re.escape(database.path)}[.]before-"] = None
        else:
            prefix = postgresql_server.beside(database, "before_" + "0" * 17)[:-17]
            places[re.escape(prefix)] = postgresql_server.Server(database, target.password)
    found = {}
    for name in names:
        matching = [place for place in places if re.fullmatch(rf"{place}\d{{17}}(-wal|-shm|-journal)?", name)]
        if not matching:
            raise BadInput(f"'{name}' is not what a restore of this target moved aside: it is not removed.")
        found[name] = places[matching[0]]
    there = [name for name, server in found.items() if (server.exists(name) if server else os.path.lexists(name))]
    for name in () if check else there:
        if server := found[name]:
            server.drop(name)
        else:
            _discard(Path(name))
    return there


def _check_database(
    what: str, known: Database, target: Target, options: Options, report: Report, *, drill: bool
) -> None:
    database = DatabaseUri.parse(target.databases[what], f"the URI of the {what} database")
    kind = "sqlite" if database.path is not None else "postgresql"
    if kind != known.kind:
        raise BadInput(
            f"The {what} database of the snapshot is {known.kind}, and the target is {kind}. A snapshot is restored to "
            f"the same kind of database."
        )
    _check_revision(what, known, report)
    if kind == "sqlite":
        if not drill and (users := sqlite.users_of(str(database.path))):
            raise SnapshotError(
                f"The database {database.path} is open in process {', '.join(map(str, users))}. Stop the server first: "
                f"what it writes while it is replaced would be lost."
            )
        if os.path.exists(str(database.path)):
            report.live[what] = sqlite.rows(str(database.path))
        return
    tools = postgresql_tools.Tools.find(options.pg_bindir)
    server = postgresql_server.Server(database, target.password)
    major = server.major()
    tools.fit(major)
    if int(known.server_version.split(".")[0]) > major:
        report.notes.append(
            f"the {what} database was dumped from PostgreSQL {known.server_version}, and is loaded into {major}"
        )
    postgresql_server.require_rights(server)
    if server.exists(database.database):
        if not drill and (names := server.connections(database.database)):
            raise SnapshotError(
                f"{len(names)} connections to the database {database.database} are open: "
                f"{', '.join(sorted(set(names)))}. Stop the servers first: what they write while the "
                f"database is replaced would be lost."
            )
        report.live[what] = PostgreSQL(database, target.password).rows()


def _check_revision(what: str, known: Database, report: Report) -> None:
    """A server must not meet a schema that is newer than itself."""
    if known.revision is None:
        return
    try:
        state = revisions.state_of(known.revision, _KINDS[what])
    except MissingLibrary:
        report.notes.append(
            f"whether the installed MLflow knows the schema of the {what} database was not checked: this Python has no "
            f"MLflow"
        )
        return
    if state == "newer":
        raise SnapshotError(
            f"The {what} database of the snapshot has the schema {known.revision} of MLflow "
            f"{report.snapshot.mlflow_version or '(unknown)'}, which is newer than the MLflow installed here. Nothing "
            f"was changed. Deploy that version first (mlflow_version), then restore."
        )
    if state == "older":
        report.notes.append(
            f"the schema of the {what} database ({known.revision}) is older than the installed MLflow needs: it must "
            f"be upgraded before a server starts, or the version {report.snapshot.mlflow_version} deployed"
        )


def _journal(target: Target, options: Options) -> journal.Journal:
    databases = {what: DatabaseUri.parse(uri) for what, uri in target.databases.items() if uri}
    return journal.Journal(databases, _folder(target), target.password, options.journal_dir)


def _folder(target: Target) -> str | None:
    place = target.artifacts
    return str(Path(place.folder)) if place and place.folder is not None else None


def _recover(target: Target, note: journal.Journal) -> list[str]:
    """Finish what a killed restore began: undone, unless it had done everything. Returns what was found, for people."""
    said = []
    for found in note.read():
        names, steps = note.names(found.note.stamp), found.note.steps
        renames = [names.move(step) for step in steps if not names.is_database(step)]
        replaced = found.note.replaced
        bucket = None
        if replaced:
            if target.artifacts is None or target.artifacts.folder is not None:
                raise SnapshotError(
                    "An earlier restore was interrupted that also replaced artifacts in a bucket, and this one names "
                    "no bucket. Nothing was changed. Restore to the same target as then."
                )
            bucket = bucket_restore.Bucket(target.artifacts, found.note.stamp, progress.silent)
        if found.done or (renames and len(renames) == len(steps) and swap.made(renames)):
            if bucket:
                bucket.finish(replaced)
            said.append("an earlier restore was interrupted after it had put everything in place")
            continue
        swap.undo(renames)
        back = bucket.undo(replaced) if bucket else 0
        note.settle(found)
        if back:
            said.append(f"an earlier restore was interrupted; {back} artifacts were put back first")
        said.append(
            "an earlier restore was interrupted while it put the data in place; that was undone"
            if steps or replaced
            else "an earlier restore was interrupted before it changed anything"
        )
    return said


def _remove_leftovers(target: Target, note: journal.Journal, *, drill: bool) -> None:
    """What killed restores and drills left beside the live data. Another restore of the same target must not run."""
    yesterday = _stamp(time.time() - 86400)

    def superfluous(name: str, live: str, separator: str) -> bool:
        match = re.fullmatch(rf"{re.escape(live)}{separator}(restoring|drill)[-_](\d{{17}})", name)
        # A restore that was cut off is the next restore's business.
        return match is not None and (not drill if match[1] == "restoring" else match[2] < yesterday)

    databases = [DatabaseUri.parse(uri) for uri in target.databases.values() if uri]
    folder = _folder(target)
    if folder and not drill and os.path.ismount(folder):
        # Clients can give any name there: only the stamps of restores that the databases or the journal show are ours.
        ours = journal.stamps({str(one.uri): one for one in databases}, target.password)
        for stamp in ours | {found.note.stamp for found in note.read()}:
            names = note.names(stamp)
            _discard(names.hidden("restoring"))
            with contextlib.suppress(OSError):
                names.hidden("before").rmdir()  # only where nothing is in it
    for live in [Path(one.path) for one in databases if one.path is not None] + ([Path(folder)] if folder else []):
        for path in live.parent.iterdir() if live.parent.is_dir() and not os.path.ismount(live) else ():
            if superfluous(path.name, live.name, "[.]"):
                _discard(path)
    # At last, because their names and comments say what the others are.
    for database in databases:
        if database.path is None:
            server = postgresql_server.Server(database, target.password)
            prefix = postgresql_server.beside(database, "restoring_" + "0" * 17)[: -len("_restoring_") - 17]
            for name in server.names():
                if superfluous(name, prefix, "_"):
                    server.drop(name)
    if not drill:
        note.clear()


def _discard(path: Path) -> None:
    """Remove a file, link or folder; nothing behind a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _stamp(seconds: float) -> str:
    """A time as part of a name, exact to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S%f")[:17]


class _Restore:
    """One restore: what it has put beside the live data, and how that takes its place."""

    def __init__(
        self,
        store: Store,
        report: Report,
        target: Target,
        options: Options,
        note: journal.Journal,
        stamp: str,
        say: progress.Say,
        *,
        drill: bool,
    ) -> None:
        self._store = store
        self._report = report
        self._snapshot = report.snapshot
        self._target = target
        self._options = options
        self._journal = note
        self._names = note.names(stamp)
        self._say = say
        self._drill = drill
        self._act = "drill" if drill else "restoring"
        self._steps: list[journal.Step] = []
        self._under_way = False  # what is beside the live data may be the only copy of it
        self._files: list[Path] = []  # beside the live ones, removed at the end wherever they still are
        self._scratch_databases: list[tuple[postgresql_server.Server, str]] = []
        self._server: postgresql_server.Server | None = None
        self._bucket: bucket_restore.Bucket | None = None
        self._empty: Path | None = None  # where what is live would go, and is not yet

    def load(self) -> None:
        if not self._drill:
            self._journal.begin(journal.Note(self._names.stamp))
        for what, uri in self._target.databases.items():
            if not uri:
                continue
            began = time.monotonic()
            self._say(f"Loading the {what} database")
            database = DatabaseUri.parse(uri)
            known = self._snapshot.databases[what]
            (self._load_sqlite if database.path is not None else self._load_postgresql)(what, known, database)
            self._report.seconds[what] = round(time.monotonic() - began, 3)
        if self._snapshot.artifacts and (self._target.artifacts or self._drill):
            began = time.monotonic()
            self._load_artifacts()
            self._report.seconds["artifacts"] = round(time.monotonic() - began, 3)

    def exchange(self) -> None:
        """The moment in which the old becomes the new."""
        self._say("Putting the restored data in place")
        began = time.monotonic()
        known = self._snapshot.artifacts
        different = self._bucket.different(self._store, known.list, known.count) if self._bucket and known else {}
        self._journal.write(journal.Note(self._names.stamp, self._steps, different))
        self._under_way = True
        try:
            if self._bucket and known:
                self._bucket.fill(self._store, known.list, known.count, different)
            swap.run(self._moves(databases=False), self._rename_databases)
        except swap.Unsettled:
            raise
        except Exception:
            if self._bucket:
                self._bucket.undo(different)
            # Before anything is removed: what is not there any more must not be taken for a step that was made.
            self._journal.write(journal.Note(self._names.stamp))
            self._under_way = False
            raise
        self._under_way = False
        self._scratch_databases = []
        if self._bucket:
            self._bucket.finish(different)
        self._report.seconds["exchange"] = round(time.monotonic() - began, 3)

    def _moves(self, *, databases: bool) -> list[tuple[str, str]]:
        return [self._names.move(step) for step in self._steps if self._names.is_database(step) == databases]

    def clean(self) -> None:
        """Remove what was put beside the live data and did not take its place."""
        if self._under_way:
            return  # the next restore brings back what was live
        for path in self._files:
            with contextlib.suppress(OSError):
                _discard(path)
        if self._empty and self._empty.is_dir() and not any(self._empty.iterdir()):
            self._empty.rmdir()
        for server, name in self._scratch_databases:
            try:
                server.drop(name)
            except EngineError as error:
                self._report.notes.append(f"the database {name} could not be removed: {error}")
        if not self._drill:
            try:
                self._journal.clear()
            except EngineError as error:
                self._report.notes.append(f"the journal could not be removed: {error}")

    def _rename_databases(self) -> None:
        moves = self._moves(databases=True)
        if self._server is None or not moves:
            return
        try:
            self._server.rename(moves)
        except EngineError as failed:
            try:
                there = self._server.exists(moves[-1][0])
            except EngineError as error:
                raise swap.Unsettled(
                    f"The database went away while it was exchanged, and whether that happened is not known. Restore "
                    f"again when it answers: that first finishes or undoes this one. ({failed})"
                ) from error
            if there:
                raise

    def _prove(self, what: str, known: Database, found: dict[str, int]) -> None:
        self._report.rows[what] = found
        if found != known.rows:
            different = sorted(
                f"{table} ({known.rows.get(table, 'none')} in the snapshot, {found.get(table, 'none')} restored)"
                for table in {*known.rows, *found}
                if known.rows.get(table) != found.get(table)
            )
            raise SnapshotError(
                f"The restored {what} database is not what was backed up: {', '.join(different[:10])}. The live one "
                f"was not touched."
            )

    def _load_sqlite(self, what: str, known: Database, database: DatabaseUri) -> None:
        live = Path(str(database.path))
        if not live.parent.is_dir():
            raise SnapshotError(f"The folder {live.parent} of the {what} database does not exist: deploy first.")
        new = Path(self._names.loaded(what, self._act))
        self._files.append(new)
        file = known.files[0]
        _room(live.parent, file.size)
        with _named_disk(live.parent):
            blocks = chunks.assemble(self._store, file.chunks, file.size)
            chunks.write_file(new, blocks, file.size, f"the {what} database in the snapshot")
        sqlite.check(new)
        self._prove(what, known, sqlite.rows(new))
        _same_owner(new, live if live.exists() else live.parent)
        if self._drill:
            return
        for end in journal.sqlite_files(str(live)):
            self._move(journal.aside(what, end), show=True)
        self._move(journal.put_in(what))

    def _load_postgresql(self, what: str, known: Database, database: DatabaseUri) -> None:
        tools = postgresql_tools.Tools.find(self._options.pg_bindir)
        server = self._server = postgresql_server.Server(database, self._target.password)
        scratch_name = self._names.loaded(what, self._act)
        with scratch_folder(None, self._options.scratch_dir) as scratch:
            _room(scratch, known.size)
            folder = scratch / "dump"
            folder.mkdir(mode=0o700)
            for file in known.files:
                path = folder / file.path
                blocks = chunks.assemble(self._store, file.chunks, file.size)
                what_file = f"{file.path} of the {what} database in the snapshot"
                chunks.write_file(path, blocks, file.size, what_file, durable=False)
            self._scratch_databases.append((server, scratch_name))
            server.create(scratch_name)
            beside = database.replace(database=scratch_name)
            began = time.monotonic()
            postgresql_loading.load(tools, folder, beside, self._target.password, self._options.jobs)
            self._report.seconds[f"{what} pg_restore"] = round(time.monotonic() - began, 3)
            if not self._drill:
                PostgreSQL(beside, self._target.password).analyze()
        self._prove(what, known, PostgreSQL(beside, self._target.password).rows())
        if self._target.grantee and self._target.grantee != database.user:
            PostgreSQL(beside, self._target.password).grant(self._target.grantee)
        if self._drill:
            return
        if server.exists(database.database):
            self._move(journal.aside(what), show=True)
        self._move(journal.put_in(what))

    def _move(self, step: journal.Step, *, show: bool = False) -> None:
        """A move of the exchange. C(show): whoever asked is told where it lies afterwards."""
        self._steps.append(step)
        if show:
            self._report.replaced.append(self._names.move(step)[1])

    def _load_artifacts(self) -> None:
        if self._snapshot.artifacts is None:
            raise AssertionError("a snapshot without artifacts loads none")
        known, place = self._snapshot.artifacts, self._target.artifacts
        now = progress.Now(self._say)
        self._say(f"Reading {known.count} artifacts, {progress.size(known.size)}")
        if self._drill or place is None:
            for row in self._rows():
                for _block in self._content(row):
                    pass
                self._count(now)
        elif place.folder is None:
            self._bucket = bucket_restore.Bucket(place, self._names.stamp, self._say)
            self._report.artifacts = self._bucket.check(self._store, known.list, known.count)
        else:
            self._load_folder(Path(place.folder), known.size, now)
        if self._report.artifacts != known.count:
            raise SnapshotError(
                f"The snapshot's list has {self._report.artifacts} artifacts, and its manifest {known.count}: one of "
                f"both is damaged. The live data was not touched."
            )

    def _count(self, now: progress.Now) -> None:
        self._report.artifacts += 1
        now(lambda: f"Read {self._report.artifacts} artifacts")

    def _load_folder(self, live: Path, size: int, now: progress.Now) -> None:
        mounted = os.path.ismount(live)  # a volume's root cannot be renamed, but what is in it can
        parent = live if mounted else live.parent
        if not parent.is_dir():
            raise SnapshotError(f"The folder {parent} of the artifacts does not exist: deploy first.")
        new = self._names.hidden("restoring") if mounted else Path(self._names.loaded(journal.ARTIFACTS))
        _room(parent, size)
        like = live if live.is_dir() else parent
        new.mkdir(mode=0o700)
        self._files.append(new)
        _same_owner(new, like)
        with _named_disk(parent):
            for row in self._rows():
                path = new / row["path"]
                _make_folders(path.parent, like)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    for block in self._content(row):
                        file.write(block)
                _same_owner(path, like, mode=None)
                self._count(now)
            _sync(new)
        if not mounted:
            if live.exists():
                self._move(journal.aside(journal.ARTIFACTS), show=True)
            self._move(journal.put_in(journal.ARTIFACTS))
            return
        aside = self._names.hidden("before")
        aside.mkdir(mode=0o700)
        self._empty = aside
        self._report.replaced.append(str(aside))
        stay = {aside.name, new.name} | {
            path.name for stamp in self._stamps() for path in [self._journal.names(stamp).hidden("before")]
        }
        for path in sorted(live.iterdir()):
            lost = path.name == os.fsdecode(artifacts.LOST) and not os.access(path, os.W_OK)
            if path.name not in stay and not lost:
                self._move(journal.aside(journal.ARTIFACTS, path.name))
        for path in sorted(new.iterdir()):
            self._move(journal.put_in(journal.ARTIFACTS, path.name))

    def _stamps(self) -> frozenset[str]:
        databases = {what: DatabaseUri.parse(uri) for what, uri in self._target.databases.items() if uri}
        return journal.stamps(databases, self._target.password)

    def _rows(self) -> Iterator[dict[str, Any]]:
        if self._snapshot.artifacts is None:
            raise AssertionError("a snapshot without artifacts loads none")
        known, size = self._snapshot.artifacts, 0
        for row in artifacts.rows_of(self._store, known.list, known.count):
            size += row["size"]
            if size > known.size:
                raise SnapshotError(
                    f"The artifacts of the snapshot have more than the {known.size} bytes that its manifest says: one "
                    f"of both is damaged. The live data was not touched."
                )
            yield row

    def _content(self, row: dict[str, Any]) -> Iterator[bytes]:
        return proven(self._store, row)


def proven(store: Store, row: dict[str, Any]) -> Iterator[bytes]:
    """An artifact's content, held against its size and hash when the last block was read."""
    digest, size = hashlib.sha256(), 0
    for block in store.read(artifacts.object_of(row), row["size"]):
        digest.update(block)
        size += len(block)
        yield block
    if size != row["size"] or digest.hexdigest() != row["sha256"]:
        raise SnapshotError(
            f"{artifacts.object_of(row)} in {store.where} is damaged: the artifact {row['path']} is not what was "
            f"backed up. The live data was not touched."
        )


def _make_folders(folder: Path, like: Path) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700)
        _same_owner(path, like, mode=None)


def _same_owner(path: Path, like: Path, mode: int | None = -1) -> None:
    status = like.stat()
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)
    if mode is not None and like.is_dir() == path.is_dir():
        path.chmod(status.st_mode & 0o7777)


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SnapshotError(
            f"There is no room beside the live data: {folder} needs {progress.size(needed)}, and {progress.size(free)} "
            f"are free. Nothing was changed."
        )


class _named_disk:
    """Turns an error of the disk into one that people can act on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, OSError):
            raise SnapshotError(
                f"The restore could not write to {self._folder}: {error.strerror}. The live data was not touched."
            ) from error


def _sync(folder: Path) -> None:
    """Bring a whole folder to the disk before its name becomes the live one's."""
    if hasattr(os, "sync"):
        os.sync()
    fsync(folder)
