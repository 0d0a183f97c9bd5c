# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bringing a snapshot back: all is loaded beside the live data and proven there, and only then takes its place."""

from __future__ import annotations

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
from ..database import loading, postgresql, schema, sqlite
from ..errors import BadInput, EngineError, MissingLibrary, SnapshotError
from ..storage.base import Store
from ..storage.cloud import Place, connect
from ..storage.durable import fsync
from . import artifacts, bucket_restore, chunks, fingerprint, layout, manifest, swap
from .backup import AUTH, TRACKING, scratch_folder
from .manifest import Database, Manifest

_KINDS = {TRACKING: schema.TRACKING, AUTH: schema.AUTH}


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
    journal = None if drill else _journal(target)
    recovered = swap.recover(journal, lambda name: _exists_anywhere(target, name))
    _remove_leftovers(target, drill=drill)
    report = check(destination, wanted, target, options, drill=drill)
    if recovered:
        report.notes.append(recovered)
    store = connect(destination, create=False)
    stamp = _stamp(time.time())
    work = _Restore(store, report, target, options, stamp, say, drill=drill)
    try:
        work.load()
        if not drill:
            work.exchange(journal)
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
    places: dict[str, postgresql.Server | None] = {}
    if target.artifacts and target.artifacts.folder is not None:
        root = Path(target.artifacts.folder)
        places[f"{root}[.]before-"] = places[f"{root}/{artifacts.OURS}before-"] = None
    for uri in filter(None, target.databases.values()):
        database = DatabaseUri.parse(uri)
        if database.path is not None:
            places[f"{database.path}[.]before-"] = None
        else:
            prefix = postgresql.beside(database, "before_" + "0" * 17)[:-17]
            places[prefix] = postgresql.Server(database, target.password)
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
        elif os.path.isdir(name):
            shutil.rmtree(name)
        else:
            os.unlink(name)
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
    tools = postgresql.Tools.find(options.pg_bindir)
    server = postgresql.Server(database, target.password)
    major = server.major()
    tools.fit(major)
    if int(known.server_version.split(".")[0]) > major:
        report.notes.append(
            f"the {what} database was dumped from PostgreSQL {known.server_version}, and is loaded into {major}"
        )
    postgresql.require_rights(server)
    if server.exists(database.database):
        if not drill and (names := server.connections(database.database)):
            raise SnapshotError(
                f"{len(names)} connections to the database {database.database} are open: "
                f"{', '.join(sorted(set(names)))}. Stop the servers first: what they write while the "
                f"database is replaced would be lost."
            )
        report.live[what] = postgresql.rows(database, target.password)


def _check_revision(what: str, known: Database, report: Report) -> None:
    """A server must not meet a schema that is newer than itself."""
    if known.revision is None:
        return
    try:
        state = schema.state_of(known.revision, _KINDS[what])
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


def _exists_anywhere(target: Target, name: str) -> bool:
    uri = DatabaseUri.parse(target.databases[TRACKING])
    return postgresql.Server(uri, target.password).exists(name)


def _remove_leftovers(target: Target, *, drill: bool) -> None:
    """What killed restores and drills left beside the live data. Another restore of the same target must not run."""
    yesterday = _stamp(time.time() - 86400)

    def superfluous(name: str, live: str, separator: str) -> bool:
        match = re.fullmatch(rf"{re.escape(live)}{separator}(restoring|drill)[-_](\d{{17}})", name)
        return bool(match) and ((match[1] == "restoring" and not drill) or match[2] < yesterday)  # type: ignore[index]

    live_paths = [Path(target.artifacts.folder)] if target.artifacts and target.artifacts.folder is not None else []
    for uri in filter(None, target.databases.values()):
        database = DatabaseUri.parse(uri)
        if database.path is not None:
            live_paths.append(Path(database.path))
            continue
        server = postgresql.Server(database, target.password)
        for name in server.names():
            if superfluous(name, postgresql.beside(database, "restoring_" + "0" * 17)[: -len("_restoring_") - 17], "_"):
                server.drop(name)
    for live in live_paths:
        inside = live if os.path.ismount(live) else live.parent
        prefix, separator = (artifacts.OURS, "") if inside == live else (live.name, "[.]")
        for path in inside.iterdir() if inside.is_dir() else ():
            if superfluous(path.name, prefix, separator):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _stamp(seconds: float) -> str:
    """A time as part of a name, exact to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S%f")[:17]


def _journal(target: Target) -> Path | None:
    """Where the renames are written down: beside the SQLite database, or beside the artifacts."""
    for uri in filter(None, target.databases.values()):
        if path := DatabaseUri.parse(uri).path:
            return Path(path).parent / swap.JOURNAL
    if target.artifacts and target.artifacts.folder is not None:
        root = Path(target.artifacts.folder)
        return (root if os.path.ismount(root) else root.parent) / swap.JOURNAL
    return None


class _Restore:
    """One restore: what it has put beside the live data, and how that takes its place."""

    def __init__(
        self,
        store: Store,
        report: Report,
        target: Target,
        options: Options,
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
        self._stamp = stamp
        self._say = say
        self._drill = drill
        self._act = "drill" if drill else "restoring"
        self._renames: list[tuple[str, str]] = []
        self._pairs: list[tuple[str, str]] = []
        self._files: list[Path] = []  # beside the live ones, removed at the end wherever they still are
        self._scratch_databases: list[tuple[postgresql.Server, str]] = []
        self._server: postgresql.Server | None = None
        self._bucket: bucket_restore.Bucket | None = None
        self._empty: Path | None = None  # where what is live would go, and is not yet

    def load(self) -> None:
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

    def exchange(self, journal: Path | None) -> None:
        """The moment in which the old becomes the new."""
        self._say("Putting the restored data in place")
        proof = next((new for _old, new in self._pairs if new.endswith(f"_before_{self._stamp}")), None)
        began = time.monotonic()
        if self._bucket:
            self._bucket.fill()
        try:
            swap.run(journal, swap.Plan(self._renames, self._pairs, proof or self._only_new()), self._rename_databases)
        except BaseException:
            if self._bucket:
                self._bucket.undo()
            raise
        self._scratch_databases = []
        if self._bucket:
            self._bucket.finish()
        self._report.seconds["exchange"] = round(time.monotonic() - began, 3)

    def _only_new(self) -> str | None:
        """Where no database was there before, the restored one's own name is the proof."""
        return self._pairs[-1][1] if self._pairs else None

    def clean(self) -> None:
        """Remove what was put beside the live data and did not take its place."""
        for path in self._files:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if self._empty and self._empty.is_dir() and not any(self._empty.iterdir()):
            self._empty.rmdir()
        for server, name in self._scratch_databases:
            try:
                server.drop(name)
            except EngineError as error:
                self._report.notes.append(f"the database {name} could not be removed: {error}")

    def _rename_databases(self, pairs: list[tuple[str, str]]) -> None:
        if self._server is None:
            raise AssertionError("only PostgreSQL has databases to rename")
        self._server.rename(pairs)

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
        new = live.with_name(f"{live.name}.{self._act}-{self._stamp}")
        self._files.append(new)
        file = known.files[0]
        _room(live.parent, file.size)
        with _named_disk(live.parent):
            blocks = chunks.assemble(self._store, file.chunks)
            chunks.write_file(new, blocks, file.size, f"the {what} database in the snapshot")
        sqlite.check(new)
        self._prove(what, known, sqlite.rows(new))
        _same_owner(new, live if live.exists() else live.parent)
        if self._drill:
            return
        for suffix in ("", "-wal", "-shm", "-journal"):
            old = f"{live}{suffix}"
            if os.path.exists(old):
                aside = f"{live}.before-{self._stamp}{suffix}"
                self._renames.append((old, aside))
                self._report.replaced.append(aside)
        self._renames.append((str(new), str(live)))

    def _load_postgresql(self, what: str, known: Database, database: DatabaseUri) -> None:
        tools = postgresql.Tools.find(self._options.pg_bindir)
        server = self._server = postgresql.Server(database, self._target.password)
        scratch_name = postgresql.beside(database, f"{self._act}_{self._stamp}")
        with scratch_folder(None, self._options.scratch_dir) as scratch:
            _room(scratch, known.size)
            folder = scratch / "dump"
            folder.mkdir(mode=0o700)
            for file in known.files:
                path = folder / _inside(file.path)
                blocks = chunks.assemble(self._store, file.chunks)
                what_file = f"{file.path} of the {what} database in the snapshot"
                chunks.write_file(path, blocks, file.size, what_file, durable=False)
            self._scratch_databases.append((server, scratch_name))
            server.create(scratch_name)
            beside = database.replace(database=scratch_name)
            began = time.monotonic()
            loading.load(tools, folder, beside, self._target.password, self._options.jobs)
            self._report.seconds[f"{what} pg_restore"] = round(time.monotonic() - began, 3)
            if not self._drill:
                postgresql.analyze(beside, self._target.password)
        self._prove(what, known, postgresql.rows(beside, self._target.password))
        if self._target.grantee and self._target.grantee != database.user:
            schema.grant(beside.uri, self._target.password, self._target.grantee)
        if self._drill:
            return
        live = str(database.database)
        if server.exists(live):
            aside = postgresql.beside(database, f"before_{self._stamp}")
            self._pairs.append((live, aside))
            self._report.replaced.append(aside)
        self._pairs.append((scratch_name, live))

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
            self._bucket = bucket_restore.Bucket(self._store, place, known.list, self._stamp, self._say)
            self._report.artifacts = self._bucket.check()
            self._report.notes += self._bucket.notes
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
        hidden = artifacts.OURS if mounted else f"{live.name}."
        new, aside = parent / f"{hidden}restoring-{self._stamp}", parent / f"{hidden}before-{self._stamp}"
        _room(parent, size)
        self._files.append(new)
        like = live if live.is_dir() else parent
        new.mkdir(mode=0o700)
        _same_owner(new, like)
        with _named_disk(parent):
            for row in self._rows():
                path = new / _inside(row["path"])
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
                self._renames.append((str(live), str(aside)))
                self._report.replaced.append(str(aside))
            self._renames.append((str(new), str(live)))
            return
        aside.mkdir(mode=0o700)
        self._empty = aside
        self._report.replaced.append(str(aside))
        self._renames += [
            (str(path), str(aside / path.name))
            for path in sorted(live.iterdir())
            if not path.name.startswith((artifacts.OURS, "lost+found"))
        ]
        self._renames += [(str(path), str(live / path.name)) for path in sorted(new.iterdir())]

    def _rows(self) -> Iterator[dict[str, Any]]:
        if self._snapshot.artifacts is None:
            raise AssertionError("a snapshot without artifacts loads none")
        yield from layout.read_list(self._store, self._snapshot.artifacts.list)

    def _content(self, row: dict[str, Any]) -> Iterator[bytes]:
        return proven(self._store, row)


def proven(store: Store, row: dict[str, Any]) -> Iterator[bytes]:
    """An artifact's content, held against its size and hash when the last block was read."""
    digest, size = hashlib.sha256(), 0
    for block in store.read(artifacts.object_of(row)):
        digest.update(block)
        size += len(block)
        yield block
    if size != row["size"] or digest.hexdigest() != row["sha256"]:
        raise SnapshotError(
            f"{artifacts.object_of(row)} in {store.where} is damaged: the artifact {row['path']} is not what was "
            f"backed up. The live data was not touched."
        )


def _inside(path: str) -> str:
    """A path of the snapshot, refused where it would leave its folder."""
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise SnapshotError(f"The snapshot names the file '{path}', which would lie outside of its folder: refused.")
    return path


def _make_folders(folder: Path, like: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent, like)
    folder.mkdir(mode=0o700)
    _same_owner(folder, like, mode=None)


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
