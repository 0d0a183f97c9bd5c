"""Snapshots in a real S3 server that goes away in the middle, and artifacts that lie in a bucket themselves."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import (
    backup,
    manifest,
    prune,
    restore,
    verify,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Cloud, Place, connect
from support.s3 import ACCESS_KEY, S3, SECRET_KEY, running

FILES = 120


@pytest.fixture
def s3() -> Iterator[S3]:
    with running() as server:
        yield server


def place(s3: S3, uri: str) -> Place:
    return Place(uri, s3.endpoint, "us-east-1", ACCESS_KEY, SECRET_KEY)


@pytest.fixture
def live(tmp_path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE alembic_version AS SELECT 'abc123' AS version_num")
        rows = ((hashlib.sha256(str(n).encode()).hexdigest(),) for n in range(5000))
        connection.executemany("INSERT INTO runs (name) VALUES (?)", rows)
    for number in range(FILES):
        path = tmp_path / "artifacts" / str(number % 5) / f"ü %20 {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.sha256(str(number).encode()).digest() * 500)
    (tmp_path / "artifacts" / "big").write_bytes(hashlib.sha256(b"big").digest() * (1 << 20))
    return tmp_path


def source(live: Path, artifacts: Place | None = None) -> backup.Source:
    uri = f"sqlite:///{live / 'mlflow.db'}"
    return backup.Source("test", {"tracking": uri}, artifacts=artifacts or Place(str(live / "artifacts")))


def state(live: Path) -> dict[str, str]:
    return {
        str(path.relative_to(live)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in live.rglob("*")
        if path.is_file()
    }


def at_call(monkeypatch: pytest.MonkeyPatch, method: str, number: int, act: Callable[[], object]) -> None:
    """Do something just before the store is asked for the so-manieth time."""
    really, left = getattr(Cloud, method), [number]

    def counted(self: Cloud, *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            act()
        return really(self, *arguments)

    monkeypatch.setattr(Cloud, method, counted)


def test_a_server_that_goes_away_during_a_backup_leaves_no_snapshot_and_the_next_one_goes_on(
    s3: S3, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = place(s3, "s3://backups/x")
    with monkeypatch.context() as patched:
        at_call(patched, "put", 60, s3.stop)
        with pytest.raises(SnapshotError, match="it cannot be reached"):
            backup.create(source(live), destination, backup.Options())
    s3.start()
    assert manifest.ids(connect(destination)) == []
    there = len(list(connect(destination).list("artifacts/")))
    assert there >= 20
    taken = backup.create(source(live), destination, backup.Options())
    assert verify.verify(destination, taken.id).problems == []
    assert taken.new_bytes < taken.size


def test_a_server_that_goes_away_during_a_restore_leaves_what_is_live(
    s3: S3, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = place(s3, "s3://backups/x")
    taken = backup.create(source(live), destination, backup.Options())
    (live / "artifacts" / "later").write_bytes(b"later")
    before = state(live)
    target = restore.Target(source(live).databases, artifacts=Place(str(live / "artifacts")))
    with monkeypatch.context() as patched:
        at_call(patched, "read", 60, s3.stop)
        with pytest.raises(SnapshotError, match="it cannot be reached"):
            restore.run(destination, taken.id, target, restore.Options())
    assert state(live) == before
    s3.start()
    restore.run(destination, taken.id, target, restore.Options(keep_replaced=False))
    assert "artifacts/later" not in state(live) and len(state(live)) == FILES + 2


def test_a_bucket_is_filled_again_and_put_back_when_the_exchange_fails(
    s3: S3, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.home / "data" / "artifacts" / "mlflow"
    shutil.copytree(live / "artifacts", bucket)
    artifacts, destination = place(s3, "s3://artifacts/mlflow"), place(s3, "s3://backups/x")
    whole = state(bucket)
    taken = backup.create(source(live, artifacts), destination, backup.Options())
    assert taken.artifacts and taken.artifacts.count == FILES + 1
    again = backup.create(source(live, artifacts), destination, backup.Options())
    assert again.new_bytes < 10_000, "an ETag says that nothing changed"

    (bucket / "0" / "ü %20 5").unlink()
    (bucket / "big").write_bytes(b"another")
    (bucket / "later").write_bytes(b"later")
    changed = state(bucket)
    target = restore.Target(source(live).databases, artifacts=artifacts)
    with monkeypatch.context() as patched:

        def fail(*_arguments: object) -> None:
            raise SnapshotError("the exchange failed")

        patched.setattr(restore.swap, "run", fail)
        with pytest.raises(SnapshotError, match="the exchange failed"):
            restore.run(destination, taken.id, target, restore.Options())
    after = state(bucket)
    assert {name: after[name] for name in changed} == changed, "what the live database names is as it was"

    restore.run(destination, taken.id, target, restore.Options())
    after = state(bucket)
    assert {name: after[name] for name in whole} == whole
    assert sorted(set(after) - set(whole)) == ["later"]


def test_two_backups_at_once_and_prunes_beside_them_leave_every_snapshot_whole(
    s3: S3, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = place(s3, "s3://backups/x")
    first = backup.create(source(live), destination, backup.Options())
    connect(destination).delete(f"manifests/{first.id}.json")  # what the two reuse belongs to nobody meanwhile

    def prune_later(hours: float) -> prune.Pruned:
        # To the pruner, whatever is there was written long ago, and so may be marked.
        monkeypatch.setattr(prune, "time", types.SimpleNamespace(time=lambda: time.time() + hours * 3600))
        options = {"name": "test", "keep_days": 365, "keep_count": 1, "max_seconds": 24 * 3600}
        return prune.prune(connect(destination), **options)

    def once(_number: int) -> manifest.Manifest:
        return backup.create(source(live), destination, backup.Options(reread=True))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(once, number) for number in range(2)]
        marked = 0
        while not all(one.done() for one in running):
            marked += prune_later(48).marked
        taken = [one.result().id for one in running]
    assert marked >= FILES, "nothing that the backups rely on was marked while they ran"
    prune_later(120)
    assert sorted(manifest.ids(connect(destination))) == sorted(taken)
    assert [verify.verify(destination, one).problems for one in taken] == [[], []]
