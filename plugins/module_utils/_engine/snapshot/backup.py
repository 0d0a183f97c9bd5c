# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing a snapshot: databases first, then artifacts, so that everything the databases name is there; at last the
manifest, which makes it exist."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .. import fingerprint, progress
from ..database import base, kinds, revisions
from ..database.base import Dumping, Tools
from ..errors import SnapshotError
from ..storage.base import Store
from ..storage.cloud import Place, connect
from ..storage.folder import Folder
from . import artifacts, chunks, journal, layout, manifest, prune, throttle
from .manifest import Database, DumpFile, Manifest

TRACKING, AUTH = "tracking", "auth"
VERSION_TABLES = {TRACKING: revisions.TRACKING[1], AUTH: revisions.AUTH[1]}
# A file of a dump that is bigger than this is read while pg_dump is still writing it.
_FOLLOW = 4 << 20


@dataclass(frozen=True)
class Source:
    """What is backed up. C(databases) are URIs under the names C(tracking) and C(auth); one password for both."""

    name: str
    databases: Mapping[str, str]
    password: str | None = field(default=None, repr=False)
    artifacts: Place | None = None
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    mlflow_version: str | None = None


@dataclass(frozen=True)
class Options:
    """How: C(max_seconds) is the longest that a backup may take, and what prune waits out.

    With C(low_priority) others come first.
    """

    pg_bindir: str | None = None
    jobs: int = 2
    reread: bool = False
    max_seconds: float = 86400.0
    scratch_dir: str | None = None
    low_priority: bool = False

    @property
    def tools(self) -> Tools:
        return Tools(self.pg_bindir, self.jobs)


def check(source: Source, destination: Place, options: Options) -> None:
    """Look whether a backup could begin; changes nothing.

    :raises EngineError: it could not, and why.
    """
    if destination.folder is None:
        next(iter(connect(destination).list(layout.MANIFESTS)), None)
    else:
        _writable(destination.folder)
    for what, uri in source.databases.items():
        database = kinds.database(uri, source.password, f"the URI of the {what} database")
        revision = database.require_dumpable(VERSION_TABLES[what], what, options.tools)
        if what == TRACKING and revision is None:
            raise _nothing(what, database)
    if source.artifacts:
        if source.artifacts.folder is None:
            next(iter(artifacts.source_of(source.artifacts).items()), None)
        elif not os.path.isdir(source.artifacts.folder):
            raise SnapshotError(f"The folder of the artifacts, {source.artifacts.folder}, does not exist.")


def create(source: Source, destination: Place, options: Options, say: progress.Say = progress.silent) -> Manifest:
    """Write one snapshot.

    :raises EngineError: it was not written. What was stored on the way is used by the next one, or pruned.
    """
    began = time.monotonic()
    store = connect(destination)
    created = manifest.now()
    # Read after the beginning was noted: what is pending from now on outlives this backup.
    pending = prune.pending(store)
    before = _newest(store, source)
    left_out: list[dict[str, str]] = []
    with _abandoned_on_failure(store), scratch_folder(store, options.scratch_dir) as scratch:
        new_bytes = 0
        databases = {}
        with chunks.Chunks(store, pending) as writer:
            for what, uri in source.databases.items():
                say(f"Dumping the {what} database")
                dump = _Dump(store, writer, scratch, pending, options, source.password)
                databases[what], added = dump.take(what, uri)
                new_bytes += added
                took = f"{progress.size(databases[what].size)} in {databases[what].seconds:.1f} s"
                say(f"Dumped the {what} database: {took}")
            writer.finish()
            new_bytes += writer.new_bytes
        stored = None
        if source.artifacts:
            stored, added = _artifacts(source, store, scratch, pending, before, left_out, options, say)
            new_bytes += added
        else:
            left_out.append({"what": "artifacts", "why": "this backup was not asked for them"})
        store.settle()
        _still_there(store, writer.reused_packs)
        if time.monotonic() - began > options.max_seconds:
            raise SnapshotError(
                f"The backup took longer than the {options.max_seconds / 3600:.1f} h that are allowed, so something it "
                f"relies on may have been pruned meanwhile. Allow more (max_hours); what it stored is used by the next."
            )
        return manifest.write(
            store,
            Manifest(
                name=source.name,
                created=created,
                finished=manifest.now(),
                mlflow_version=source.mlflow_version,
                databases=databases,
                artifacts=stored,
                left_out=left_out,
                secrets={name: fingerprint.fingerprint(value) for name, value in source.secrets.items()},
                new_bytes=new_bytes,
            ),
        )


def _newest(store: Store, source: Source) -> Manifest | None:
    """The newest snapshot of the same deployment that can be read."""
    for snapshot in manifest.ids(store):
        try:
            found = manifest.load(store, snapshot)
        except (SnapshotError, ValueError):
            continue
        if found.name == source.name:
            return found
    return None


def _artifacts(
    wanted: Source,
    store: Store,
    scratch: Path,
    pending: frozenset[str],
    before: Manifest | None,
    left_out: list[dict[str, str]],
    options: Options,
    say: progress.Say,
) -> tuple[manifest.Artifacts, int]:
    began = time.monotonic()
    say("Storing the artifacts")
    if wanted.artifacts is None:
        raise AssertionError("nobody asked for artifacts")
    source = artifacts.source_of(wanted.artifacts, _ours(wanted))
    catalogue = artifacts.Catalogue(scratch)
    try:
        catalogue.load_present(store, pending)
        # The marks of another place say nothing of this one.
        if before and before.artifacts and before.artifacts.uri == source.uri and not options.reread:
            try:
                catalogue.load_before(store, before.artifacts.list)
            except SnapshotError as error:
                say(f"Every artifact is read again, because {error}")
        rows = layout.ListWriter(scratch)
        now = progress.Now(say)
        totals = artifacts.store_all(
            source,
            store,
            catalogue,
            pending,
            rows,
            left_out,
            reread=options.reread,
            say=lambda done: now(lambda: f"Stored {done.count} artifacts, {progress.size(done.size)}"),
        )
        list_key, added = rows.store(store, pending)
        store.settle()
        if missing := catalogue.missing(store):
            raise _pruned(store, missing[0])
    finally:
        catalogue.close()
    seconds = time.monotonic() - began
    say(
        f"Stored {totals.count} artifacts, {progress.size(totals.size)}, of which {progress.size(totals.read)} were "
        f"read and {progress.size(totals.new_bytes)} are new, in {seconds:.1f} s"
    )
    found = manifest.Artifacts(source.uri, totals.count, totals.size, list_key, round(seconds, 3))
    return found, totals.new_bytes + added


def _ours(source: Source) -> dict[str, str]:
    """What restores of this deployment hold in the root of a volume; whatever else lies there is an artifact."""
    root = source.artifacts.folder if source.artifacts else None
    names = os.listdir(root) if root is not None and os.path.ismount(root) else []
    if not any(name.startswith(journal.HIDDEN) for name in names):
        return {}
    databases = [kinds.database(uri, source.password) for uri in source.databases.values()]
    stamps = journal.stamps(databases, reading=True)
    return {
        f"{journal.HIDDEN}{act}-{stamp}": "what a restore put there or moved aside"
        for stamp in stamps
        for act in ("restoring", "before")
    }


def _still_there(store: Store, reused: set[str]) -> None:
    if reused:
        present = {found.key for found in store.list(layout.PACKS)}
        if missing := sorted(reused - present):
            raise _pruned(store, missing[0])


def _pruned(store: Store, object_key: str) -> SnapshotError:
    return SnapshotError(
        f"{object_key} in {store.where} was removed while this backup relied on it, so no snapshot was written. Back "
        f"up again. If nobody removes objects by hand, allow prune less: max_hours must be the same everywhere."
    )


def _nothing(what: str, database: base.Database) -> SnapshotError:
    return SnapshotError(
        f"The {what} database has no tables of MLflow that {database.uri.user or 'this user'} finds, so there is "
        f"nothing to back up. Is database_uri that of the deployment?"
    )


class _Dump:
    """One database, dumped into the store."""

    def __init__(
        self,
        store: Store,
        writer: chunks.Chunks,
        scratch: Path,
        pending: frozenset[str],
        options: Options,
        password: str | None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._scratch = scratch
        self._pending = pending
        self._options = options
        self._password = password
        self._new_bytes = 0
        self._lock = threading.Lock()

    def take(self, what: str, uri: str) -> tuple[Database, int]:
        database = kinds.database(uri, self._password, f"the URI of the {what} database")
        folder = self._scratch / what
        folder.mkdir(mode=0o700)
        began, taken = time.monotonic(), manifest.now()
        to = Dumping(
            folder,
            VERSION_TABLES[what],
            self._store_file,
            lambda kind, needed: _room(folder, needed, f"the {kind} of the {what} database"),
            # A quarter of its time, so that the rest is enough for a dump that nobody holds.
            partial(throttle.giving_way, patience=self._options.max_seconds / 4)
            if self._options.low_priority
            else None,
        )
        try:
            dump = database.dump(to, what, self._options.tools)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if not dump.rows or (what == TRACKING and dump.revision is None):
            raise _nothing(what, database)
        stored = Database(
            kind=database.kind,
            server_version=dump.server_version,
            revision=dump.revision,
            taken=taken,
            rows=dump.rows,
            files=sorted(dump.files, key=lambda file: file.path),
            seconds=round(time.monotonic() - began, 3),
        )
        return stored, self._new_bytes

    def _store_file(self, folder: Path, path: Path, ended: Callable[[], bool]) -> DumpFile:
        rows = layout.ListWriter(self._scratch)
        source: Any = chunks.Growing(path, ended)
        try:
            size = self._writer.cut(source, rows)
        finally:
            source.close()
        list_key, added = rows.store(self._store, self._pending)
        with self._lock:
            self._new_bytes += added
        return DumpFile(str(path.relative_to(folder)), size, list_key)


@contextmanager
def _abandoned_on_failure(store: Store) -> Iterator[None]:
    try:
        yield
    except BaseException:
        store.abandon()
        raise


@contextmanager
def scratch_folder(store: Store | None, wanted: str | None) -> Iterator[Path]:
    """A folder for what is not an object yet: beside the objects, where these are in a folder."""
    parent = wanted or (str(store.scratch) if isinstance(store, Folder) else None)
    try:
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=parent))
    except OSError as error:
        raise SnapshotError(f"There is no scratch folder: {error.filename}: {error.strerror}.") from error
    try:
        yield scratch
    except OSError as error:
        if error.errno == 28:
            raise SnapshotError(f"The disk of the scratch folder {parent or tempfile.gettempdir()} is full.") from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _room(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SnapshotError(
            f"There is no room for {what} in {folder.parent.parent}: it needs up to {progress.size(needed)}, and "
            f"{progress.size(free)} are free. Set scratch_dir to a folder with room."
        )


def _writable(folder: str) -> None:
    path = Path(folder)
    if not path.is_absolute():
        raise SnapshotError(f"The folder {folder} must be an absolute path.")
    while not path.exists():
        path = path.parent
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise SnapshotError(f"The destination {folder} cannot be used: {path} may not be written by this user.")
