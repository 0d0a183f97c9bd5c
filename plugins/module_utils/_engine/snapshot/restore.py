# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bringing a snapshot back: all is loaded beside the live data and proven there, and only then takes its place."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import fingerprint, progress
from ..database import base, kinds, revisions
from ..errors import BadInput, EngineError, MissingLibrary, SnapshotError
from ..storage.base import Store
from ..storage.cloud import Place, connect
from . import artifacts, bucket_restore, chunks, folder_restore, journal, manifest, recovery, swap
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

    @property
    def folder(self) -> str | None:
        """The folder of the artifacts; None where they are in a bucket, or are not restored."""
        place = self.artifacts
        return str(Path(place.folder)) if place and place.folder is not None else None

    def by_name(self) -> dict[str, base.Database]:
        return {
            what: kinds.database(uri, self.password, f"the URI of the {what} database")
            for what, uri in self.databases.items()
            if uri
        }


@dataclass(frozen=True)
class Options:
    pg_bindir: str | None = None
    jobs: int = 2
    scratch_dir: str | None = None
    keep_replaced: bool = True
    journal_dir: str | None = None

    @property
    def tools(self) -> base.Tools:
        return base.Tools(self.pg_bindir, self.jobs)


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
    recovered = [] if drill else recovery.recover(target.artifacts, note)
    recovery.remove_leftovers(list(target.by_name().values()), target.folder, note, drill=drill)
    report = check(destination, wanted, target, options, drill=drill)
    report.notes += recovered
    store = connect(destination, create=False)
    work = _Restore(store, report, target, options, note, recovery.stamp(time.time()), say, drill=drill)
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
    return recovery.remove_replaced(target.by_name().values(), target.folder, names, check=check)


def _check_database(
    what: str, known: Database, target: Target, options: Options, report: Report, *, drill: bool
) -> None:
    database = kinds.database(target.databases[what], target.password, f"the URI of the {what} database")
    if database.kind != known.kind:
        raise BadInput(
            f"The {what} database of the snapshot is {known.kind}, and the target is {database.kind}. A snapshot is "
            f"restored to the same kind of database."
        )
    _check_revision(what, known, report)
    live = database.require_loadable(what, known.server_version, options.tools, used=not drill)
    report.notes += live.notes
    if live.rows is not None:
        report.live[what] = live.rows


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
    return journal.Journal(target.by_name(), target.folder, options.journal_dir)


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
        # Beside the live ones, removed at the end wherever they still are.
        self._files: list[Path] = []
        self._loaded: list[tuple[base.Database, str]] = []
        self._bucket: bucket_restore.Bucket | None = None
        self._empty: Path | None = None  # where what is live would go, and is not yet

    def load(self) -> None:
        if not self._drill:
            self._journal.begin(journal.Note(self._names.stamp))
        for what, database in self._target.by_name().items():
            began = time.monotonic()
            self._say(f"Loading the {what} database")
            self._load_database(what, self._snapshot.databases[what], database)
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
            swap.run(self._moves(by_server=False), self._rename_databases)
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
        self._loaded = []
        if self._bucket:
            self._bucket.finish(different)
        self._report.seconds["exchange"] = round(time.monotonic() - began, 3)

    def _moves(self, *, by_server: bool) -> list[tuple[str, str]]:
        return [self._names.move(step) for step in self._steps if self._names.by_server(step) == by_server]

    def clean(self) -> None:
        """Remove what was put beside the live data and did not take its place."""
        if self._under_way:
            return  # the next restore brings back what was live
        for path in self._files:
            with contextlib.suppress(OSError):
                recovery.discard(path)
        if self._empty and self._empty.is_dir() and not any(self._empty.iterdir()):
            self._empty.rmdir()
        for database, name in self._loaded:
            try:
                database.discard(name)
            except (EngineError, OSError) as error:
                self._report.notes.append(f"the database {name} could not be removed: {error}")
        if not self._drill:
            try:
                self._journal.clear()
            except EngineError as error:
                self._report.notes.append(f"the journal could not be removed: {error}")

    def _rename_databases(self) -> None:
        moves = self._moves(by_server=True)
        # One for both databases, so that both are exchanged or none.
        server = next(filter(None, (one.server() for one in self._target.by_name().values())), None)
        if server is None or not moves:
            return
        try:
            server.rename(moves)
        except EngineError as failed:
            try:
                there = server.exists(moves[-1][0])
            except EngineError as error:
                raise swap.Unsettled(
                    f"The database went away while it was exchanged, and whether that happened is not known. Restore "
                    f"again when it answers: that first finishes or undoes this one. ({failed})"
                ) from error
            if there:
                raise

    def _prove(self, what: str, known: Database, found: dict[str, int]) -> None:
        self._report.rows[what] = found
        if not known.rows:
            raise SnapshotError(
                f"The snapshot has no table of the {what} database, so nothing could be compared, and nothing is "
                f"proven. The live one was not touched."
            )
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

    def _load_database(self, what: str, known: Database, database: base.Database) -> None:
        name = self._names.loaded(what, self._act)
        files = {file.path: file for file in known.files}

        def write(file: str, path: Path, *, durable: bool) -> None:
            if file not in files:
                raise SnapshotError(f"The {what} database in the snapshot has no file {file}: it is damaged.")
            found = files[file]
            blocks = chunks.assemble(self._store, found.chunks, found.size)
            title = f"the {what} database in the snapshot"
            title = f"{file} of {title}" if len(files) > 1 else title
            with folder_restore.named_disk(path.parent) if durable else contextlib.nullcontext():
                chunks.write_file(path, blocks, found.size, title, durable=durable)

        source = base.Loading(
            {file.path: file.size for file in known.files},
            write,
            lambda: scratch_folder(None, self._options.scratch_dir),
            folder_restore.require_room,
            folder_restore.same_owner,
            used=not self._drill,
        )
        self._loaded.append((database, name))
        loaded = database.load(name, source, what, self._options.tools)
        self._report.seconds |= {f"{what} {step}": seconds for step, seconds in loaded.seconds.items()}
        self._prove(what, known, loaded.rows)
        if self._target.grantee and self._target.grantee != database.uri.user:
            database.named(name).grant(self._target.grantee)
        if self._drill:
            return
        for ending in database.present():
            self._move(journal.aside(what, ending), show=True)
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
        folder_restore.require_room(parent, size)
        like = live if live.is_dir() else parent
        new.mkdir(mode=0o700)
        self._files.append(new)
        folder_restore.same_owner(new, like)
        folder_restore.fill(new, like, self._rows(), self._content, lambda: self._count(now))
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
            self._journal.names(stamp).hidden("before").name
            for stamp in journal.stamps(self._target.by_name().values())
        }
        for path in sorted(live.iterdir()):
            lost = path.name == os.fsdecode(artifacts.LOST) and not os.access(path, os.W_OK)
            if path.name not in stay and not lost:
                self._move(journal.aside(journal.ARTIFACTS, path.name))
        for path in sorted(new.iterdir()):
            self._move(journal.put_in(journal.ARTIFACTS, path.name))

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
        return artifacts.proven(self._store, row)
