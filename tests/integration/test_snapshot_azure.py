"""Snapshots in Azure Blob of artifacts that lie there too; the server is Microsoft's emulator."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import (
    backup,
    layout,
    prune,
    restore,
    verify,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.base import Store
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place, connect
from support.azurite import ACCOUNT, KEY, Azurite, running

CONTENT = {f"{number}/ü %20 {number}": bytes([number]) * 1000 * number for number in range(12)} | {
    "big": bytes(range(256)) * (90 << 10)  # in several blocks
}


@pytest.fixture(scope="module")
def azure() -> Iterator[Azurite]:
    with running("artifacts", "backups") as server:
        yield server


@pytest.fixture
def source(azure: Azurite, tmp_path: Path) -> backup.Source:
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE alembic_version AS SELECT 'abc123' AS version_num")
        connection.executemany("INSERT INTO runs (name) VALUES (?)", ((str(number),) for number in range(500)))
    artifacts = Place(f"az://artifacts/{tmp_path.name}", azure.endpoint, account=ACCOUNT, account_key=KEY)
    for name, content in CONTENT.items():
        connect(artifacts).put_stream(name, iter([content]), len(content))
    return backup.Source("test", {"tracking": f"sqlite:///{tmp_path / 'mlflow.db'}"}, artifacts=artifacts)


@pytest.fixture
def destination(azure: Azurite, tmp_path: Path) -> Place:
    return Place(f"az://backups/{tmp_path.name}", azure.endpoint, account=ACCOUNT, account_key=KEY)


def content(store: Store) -> dict[str, bytes]:
    return {found.key: b"".join(store.read(found.key)) for found in store.list("")}


def test_what_was_lost_after_a_snapshot_is_there_again_after_the_restore(
    source: backup.Source, destination: Place, tmp_path: Path
) -> None:
    assert source.artifacts
    first = backup.create(source, destination, backup.Options())
    assert first.artifacts and first.artifacts.count == len(CONTENT)
    found = verify.verify(destination, "latest")
    assert (found.problems, found.objects) == ([], len(CONTENT) + 1)
    assert backup.create(source, destination, backup.Options()).new_bytes == 0, "nothing had changed"

    artifacts = connect(source.artifacts)
    for name in list(CONTENT)[:5]:
        artifacts.delete(name)
    artifacts.put("0/new", b"written after the snapshot")
    (tmp_path / "mlflow.db").unlink()
    restore.run(
        destination,
        first.id,
        restore.Target(source.databases, artifacts=source.artifacts),
        restore.Options(keep_replaced=False),
    )
    assert content(artifacts) == CONTENT | {"0/new": b"written after the snapshot"}
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (500,)


def test_lists_of_the_same_content_are_written_side_by_side(destination: Place, tmp_path: Path) -> None:
    """As those of empty tables are; parts of one are forgotten when another one is finished."""

    def store(_number: int) -> str:
        written = layout.ListWriter(tmp_path)
        written.add({"id": 1})
        return written.store(connect(destination), frozenset())[0]

    with ThreadPoolExecutor(8) as several:
        assert len(set(several.map(store, range(64)))) == 1
    assert len(list(connect(destination).list(""))) == 1


def test_the_last_snapshot_outlives_every_pruning(source: backup.Source, destination: Place) -> None:
    for _ in range(3):
        backup.create(source, destination, backup.Options())
    store = connect(destination)
    pruned = prune.prune(store, name="test", keep_days=0, keep_count=1, max_seconds=0)
    assert len(pruned.removed) == 2
    assert [found["name"] for found in verify.snapshots(destination, "test")[0]] == ["test"]
    assert verify.verify(destination, "latest").problems == []


@pytest.mark.parametrize("form", ["{sas}", "BlobEndpoint={endpoint};SharedAccessSignature={sas}", "AccountKey={key};"])
def test_snapshots_come_and_go_with_a_sas_token_and_a_connection_string(
    azure: Azurite, source: backup.Source, destination: Place, form: str
) -> None:
    assert source.artifacts
    login = form.format(sas=azure.sas(), endpoint=azure.endpoint, key=KEY)
    given = replace(source, artifacts=replace(source.artifacts, account_key=login))
    place = replace(destination, account_key=login)
    made = backup.create(given, place, backup.Options())
    assert verify.verify(place, made.id).problems == []
    artifacts = connect(source.artifacts)
    artifacts.delete("3/ü %20 3")
    restore.run(
        place, made.id, restore.Target(given.databases, artifacts=given.artifacts), restore.Options(keep_replaced=False)
    )
    assert content(artifacts) == CONTENT


def test_a_wrong_key_is_named_as_that(source: backup.Source, destination: Place) -> None:
    wrong = replace(destination, account_key="d3Jvbmc=")
    with pytest.raises(SnapshotError, match=r"^Cannot .* the keys "):
        backup.create(source, wrong, backup.Options())
