"""Snapshots of CrateDB that pass through a bucket: a real S3 server, and what a real CrateDB said.

What CrateDB itself reads and writes there, the stand-in does in its place, with what the statements told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import (
    cratedb_repository,
    cratedb_repository_settings,
    kinds,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.base import Tools
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, SnapshotError
from support import s3
from support.cratedb import record, scenarios, stand_in

ROWS = dict(sorted(scenarios.TABLES.items()))


def test_a_dump_passes_through_a_bucket_and_back_and_nothing_is_left_there(tmp_path: Path) -> None:
    with stand_in.served("bucket") as (answers, port):
        found = scenarios.bucket(record.database(f"http://127.0.0.1:{port}"), tmp_path / "work")
    assert not answers.unknown
    live, rows, _names, _comments, left, now, fetched, objects = found
    assert live == rows == now == ROWS and left == ["mlflow"]
    assert (fetched, objects) == (1, [])


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A place in a bucket, as the environment says it; its keys may be changed."""
    with s3.running() as server:
        for name, value in {
            cratedb_repository_settings.PLACE: "s3://backups/cratedb",
            cratedb_repository_settings.ENDPOINT: server.endpoint,
            cratedb_repository_settings.ACCESS_KEY: s3.ACCESS_KEY,
            cratedb_repository_settings.SECRET_KEY: s3.SECRET_KEY,
        }.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        (cratedb_repository_settings.SECRET_KEY, "wrong-4711", "the keys"),
        (cratedb_repository_settings.PLACE, "s3://nowhere/cratedb", "the bucket does not exist"),
        (cratedb_repository_settings.ENDPOINT, "http://127.0.0.1:9", "cannot be reached"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named_before_a_backup_begins(
    bucket: s3.S3, variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    database = kinds.database("crate://mlflow@127.0.0.1:9/?schema=mlflow", "secret-4711")
    with pytest.raises(SnapshotError, match=words) as refused:
        database.require_dumpable("alembic_version", "tracking", Tools())
    assert "4711" not in str(refused.value)


def test_what_a_killed_backup_left_goes_after_a_day_and_nothing_else(bucket: s3.S3) -> None:
    way = cratedb_repository.configured()
    objects = bucket.home / "data/backups/cratedb"
    old, own = "mlops_20200101000000000_0123abcd", "mlops_99990101000000000_0123abcd"
    for name in (old, own, "somebodys"):
        (objects / name / "indices").mkdir(parents=True)
        (objects / name / "indices/0").write_text("a snapshot")
    assert way.names() == {old, own, "somebodys"}
    asked: list[str] = []

    class Asked:
        def run(self, statement: str, *values: Any) -> list[Any]:
            asked.append(statement.partition(" ")[0])
            return [values] if statement.startswith("SELECT") else []

    cratedb_repository._remove_left(Asked(), way)
    assert (asked, way.names()) == (["SELECT", "DROP"], {own, "somebodys"})


def test_a_bucket_without_a_prefix_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cratedb_repository_settings.PLACE, "s3://backups/")
    with pytest.raises(BadInput, match="s3://BUCKET/PREFIX, which nothing else uses"):
        cratedb_repository.configured()
