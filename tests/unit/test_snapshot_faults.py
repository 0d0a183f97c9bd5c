"""Disks that fill up: a backup or restore fails with words, and what was live stays."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import chunks, layout, manifest, verify
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import folder
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place
from support.snapshots import Small


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path / "small")


@pytest.mark.parametrize("room", [0, 100_000, 1_000_000])
def test_a_disk_that_fills_up_during_a_backup_is_named_and_the_next_backup_goes_on(
    small: Small, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    left = [room]
    really = os.write

    def write(descriptor: int, data: Any) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= len(data)
        return really(descriptor, data)

    state = small.state()
    with monkeypatch.context() as patched:
        patched.setattr(folder.os, "write", write)
        with pytest.raises(SnapshotError, match=r"The disk of .* is full"):
            small.backup()
    assert manifest.ids(small.store) == [] and small.state() == state
    assert not [path for path in (Path(small.place.uri) / "incoming").rglob("*") if path.is_file()]
    taken = small.backup()
    assert verify.verify(small.place, taken.id).problems == []


def test_same_content_that_two_threads_store_at_once_is_there_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, both_looked = folder.Folder(str(tmp_path / "d")), threading.Barrier(2)
    find = store.find

    def found(key: str) -> Any:
        before = find(key)
        both_looked.wait(10)
        return before

    monkeypatch.setattr(store, "find", found)
    with ThreadPoolExecutor(2) as threads:
        hashed = list(threads.map(lambda _: store.put_hashed([b"same"], lambda: "artifacts/aa/a"), range(2)))
        put = list(threads.map(lambda _: store.put("packs/bb/b", b"same"), range(2)))
    store.settle()
    assert sorted(hashed) == [("artifacts/aa/a", 0), ("artifacts/aa/a", 4)] and sorted(put) == [False, True]
    assert not list(store.scratch.iterdir())
    assert sorted(one.key for one in store.list("")) == ["artifacts/aa/a", "packs/bb/b"]


def test_nothing_is_written_any_more_after_the_cutting_of_a_dump_has_failed(tmp_path: Path) -> None:
    store = folder.Folder(str(tmp_path / "d"))

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 20 << 20:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(size)

        readinto = None  # type: ignore[assignment]

    source = Failing(random.Random(1).randbytes(24 << 20))
    with pytest.raises(OSError, match="Input/output"), chunks.Chunks(store, frozenset()) as writer:
        writer.cut(source, layout.ListWriter(tmp_path))
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("chunks")]
    store.abandon()
    assert not list(store.scratch.iterdir())


def test_a_restore_without_room_is_refused_before_anything_is_written(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.backup()
    small.add_rows(1)
    state = small.state()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(SnapshotError, match="There is no room beside the live data"):
        small.restore()
    assert (small.state(), small.litter()) == (state, [])


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB, where this user may mount one."""
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(mount)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)


def test_a_real_disk_that_is_full(small: Small, tiny_disk: Path) -> None:
    small.place = Place(str(tiny_disk / "destination"))
    small.write("1/too-big", small.random.randbytes(4 << 20))
    with pytest.raises(SnapshotError, match=r"full|no room"):
        small.backup()
    (small.artifacts / "1/too-big").unlink()
    taken = small.backup()
    assert verify.verify(small.place, taken.id).problems == []


def test_a_real_disk_that_is_full_where_the_live_data_is(small: Small, tiny_disk: Path, tmp_path: Path) -> None:
    small.backup()
    shutil.rmtree(tmp_path / "small" / "live" / "artifacts")
    live = tiny_disk / "artifacts"
    live.mkdir()
    (live / "old").write_bytes(b"old")
    (tiny_disk / "ballast").write_bytes(bytes(2_600_000))
    small.artifacts = live
    state = small.state()
    with pytest.raises(SnapshotError, match="no room beside the live data"):
        small.restore()
    assert small.state() == state
    assert sorted(path.name for path in tiny_disk.iterdir()) == ["artifacts", "ballast"]
