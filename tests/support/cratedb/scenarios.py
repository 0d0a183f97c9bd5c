"""What the engine asks of a CrateDB, one scenario for each thing that it does. Recorded from a real one, and tested
against what that said. Each begins with a schema in which are three small tables, for MLflow's 47."""

from __future__ import annotations

import contextlib
import dataclasses
import tarfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import (
    cratedb_lock,
    cratedb_repository_settings,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.base import Dumping, Loading, Tools
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb import CrateDB
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb_session import Session, session
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import (
    DatabaseUnavailable,
    EngineError,
    LockHeld,
)

from support import s3

SCHEMA, OWNER, SERVER = "mlflow", "mlflow_owner", "mlflow"
PASSWORDS = {OWNER: "owner-4711", SERVER: "server-4711"}
STAMP = "20261126070000000"
TABLES = {"experiments": 2, "runs": 3, "metrics": 0}


@contextmanager
def _scratch(folder: Path) -> Any:
    folder.mkdir()
    yield folder


def look(database: CrateDB, _folder: Path) -> Any:
    """What a server finds, before the tables have a revision and after."""
    before = database.contents("alembic_version")
    database.require_role(SERVER)
    database.grant(SERVER)
    database.reserve("for a test")
    seen = database.reserved()
    database.reserve(None)
    return [before.tables, before.revisions, database.rows(), seen, database.reserved(), database.space().size > 0]


def not_yet(database: CrateDB, _folder: Path) -> Any:
    """What a server finds that starts while its tables are made: it waits."""
    server = CrateDB(dataclasses.replace(database.uri, user=SERVER), PASSWORDS[SERVER])
    try:
        return server.contents("alembic_version").tables
    except DatabaseUnavailable as error:
        return str(error)


def dump(database: CrateDB, folder: Path) -> Any:
    folder.mkdir(parents=True)
    stored: list[str] = []

    def store(_folder: Path, path: Path, _ended: Callable[[], bool]) -> str:
        stored.append(path.name)
        path.rename(folder.parent / path.name)
        return path.name

    database.require_dumpable("alembic_version", "tracking", Tools())
    done = database.dump(Dumping(folder, "alembic_version", store, lambda _what, _size: None), "tracking", Tools())
    return [done.rows, done.revision, done.server_version, done.files, stored]


def busy(database: CrateDB, folder: Path) -> Any:
    """A dump while somebody logs: the rows are those of the snapshot, not those that came after it."""
    run = Session.run

    def written(self: Session, statement: str, *values: Any) -> Any:
        found = run(self, statement, *values)
        if statement.startswith("CREATE SNAPSHOT"):
            run(self, "INSERT INTO runs (id) VALUES (?)", 99)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Session, "run", written)
        return [dump(database, folder)[0], database.rows()]


def restore(database: CrateDB, folder: Path) -> Any:
    """What was dumped, loaded alongside, and put in the place of the live one."""
    dump(database, folder / "dumped")
    return _restored(database, folder)


def bucket(database: CrateDB, folder: Path) -> Any:
    """The same through a bucket: what came from there, and what is left in it."""
    with s3.running() as store, pytest.MonkeyPatch.context() as patched:
        said = {
            cratedb_repository_settings.PLACE: "s3://backups/of/cratedb",
            cratedb_repository_settings.ENDPOINT: store.endpoint,
            cratedb_repository_settings.ACCESS_KEY: s3.ACCESS_KEY,
            cratedb_repository_settings.SECRET_KEY: s3.SECRET_KEY,
        }
        for name, value in said.items():
            patched.setenv(name, value)
        found = restore(database, folder)
        with tarfile.open(folder / "database.tar") as archive:
            fetched = sum("index-0" in member.name for member in archive)
        return [*found, fetched, [path.name for path in (store.home / "data/backups").rglob("*") if path.is_file()]]


def _restored(database: CrateDB, folder: Path) -> Any:
    packed = folder / "database.tar"

    def write(_file: str, path: Path, *, durable: bool) -> None:
        path.write_bytes(packed.read_bytes())

    loading = Loading(
        {"database.tar": packed.stat().st_size},
        write,
        lambda: _scratch(folder / "scratch"),
        lambda _folder, _size: None,
        lambda _path, _like: None,
        used=True,
    )
    loaded, before = database.alongside("restoring", STAMP), database.alongside("before", STAMP)
    live = database.require_loadable("tracking", "6.4.1", Tools(), used=True)
    rows = database.load(loaded, loading, "tracking", Tools()).rows
    server = database.server()
    server.comment(loaded, "a note")
    server.rename([*((database.live, before) for _ending in database.present()), (loaded, database.live)])
    names, comments = server.names(), server.comments()
    database.discard(before)
    return [live.rows, rows, names, comments, server.names(), database.rows()]


def empty(database: CrateDB, folder: Path) -> Any:
    """All tables are lost: there is nothing to dump, and what was dumped before comes back."""
    dump(database, folder / "dumped")
    database.discard(database.live)
    return [dump(database, folder / "nothing"), _restored(database, folder)]


def cut_off(database: CrateDB, _folder: Path) -> Any:
    """An exchange that was killed when the first table had been renamed: whoever asks next finishes it."""
    before = database.alongside("before", STAMP)
    server = database.server()
    with session(database.uri, PASSWORDS[OWNER]) as statements:
        run, calls = statements.run, []

        def killed(statement: str, *values: Any) -> Any:
            calls.append(statement)
            if sum("RENAME" in one for one in calls) > 1:
                raise EngineError("killed")
            return run(statement, *values)

        with pytest.MonkeyPatch.context() as patched, contextlib.suppress(EngineError):
            patched.setattr(statements, "run", killed)
            server.exchange(statements, [(database.live, before)])
    return [server.names(), database.named(before).rows(), database.present()]


def lock(database: CrateDB, _folder: Path) -> Any:
    """Two alone, two together, one alone while another is shared."""
    said = []
    for first, second in ((False, False), (True, True), (True, False)):
        try:
            with database.locked("a backup", shared=first), database.locked("a restore", shared=second):
                said.append("both")
        except LockHeld as error:
            said.append(str(error).partition(" (")[0])
    with session(database.uri, PASSWORDS[OWNER]) as statements:
        left = cratedb_lock.holders(statements, database.uri, "deployment")
    return [said, left]


ALL: dict[str, Callable[[CrateDB, Path], Any]] = {
    one.__name__: one for one in (look, not_yet, dump, busy, restore, bucket, empty, cut_off, lock)
}
