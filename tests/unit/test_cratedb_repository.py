"""The bucket through which snapshots of CrateDB pass: what others may have written there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import cratedb_repository
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb_repository_settings import (
    ACCESS_KEY,
    PLACE,
    SECRET_KEY,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.base import Found


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {PLACE: "s3://snapshots/cratedb", ACCESS_KEY: "key", SECRET_KEY: "word-4711"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["index-0", "../../outside"], "is nothing that CrateDB writes"),
        (["/proc/outside"], "is nothing that CrateDB writes"),
        (["indices/../../outside"], "is nothing that CrateDB writes"),
        (["indices", "indices/0"], "'indices/0' in the bucket is a file and a folder"),
        (["indices/0", "indices"], "'indices' in the bucket is a file and a folder"),
        (["indices/0", "indices/0/1"], "is a file and a folder"),
    ],
)
def test_what_cratedb_does_not_write_is_refused_and_written_nowhere(
    keys: list[str], words: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read(_key: str, _limit: int) -> Iterator[bytes]:
        yield b"x"

    listed = [Found(key, 1, 0.0) for key in keys]
    store = SimpleNamespace(where="the bucket", list=lambda _prefix: iter(listed), read=read)
    environment.setattr(cratedb_repository, "connect", lambda _place: store)
    folder = tmp_path / "scratch" / "one"
    folder.mkdir(parents=True)
    with pytest.raises(SnapshotError, match=words):
        cratedb_repository.configured().fetch("one", folder)
    assert list(tmp_path.rglob("outside")) == []


@pytest.mark.parametrize("missing", [ACCESS_KEY, SECRET_KEY])
def test_a_bucket_without_its_keys_is_refused(missing: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv(missing)
    with pytest.raises(BadInput, match=f"keys must be in {ACCESS_KEY} and {SECRET_KEY}") as refused:
        cratedb_repository.configured()
    assert "4711" not in str(refused.value)
