"""Snapshots of a small deployment: what comes back, what is stored once, what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import fingerprint
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError, SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import (
    artifacts,
    backup,
    chunks,
    layout,
    manifest,
    restore,
    verify,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place, connect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.folder import Folder
from support.snapshots import NAMES, Small


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def test_what_was_wiped_comes_back_row_for_row_and_hash_for_hash(small: Small) -> None:
    before = small.state()
    taken = small.backup()
    small.database.unlink()
    shutil.rmtree(small.artifacts)
    report = small.restore()
    assert small.state() == before
    assert report.rows["tracking"] == taken.databases["tracking"].rows == {"alembic_version": 1, "metrics": 20_000}
    assert report.artifacts == len(NAMES)
    assert (report.replaced, small.litter()) == ([], [])


def test_what_was_replaced_is_kept_beside_until_it_is_removed(small: Small) -> None:
    small.backup()
    small.add_rows(7)
    small.write("0/later", b"later")
    after = small.state()
    report = small.restore()
    assert len(report.replaced) == 2 and all(os.path.exists(path) for path in report.replaced)
    database, folder = sorted(report.replaced, key=lambda path: "artifacts" in path)
    assert (Path(folder) / "0/later").read_bytes() == b"later"
    assert report.live["tracking"] == {"alembic_version": 1, "metrics": 20_007}
    os.replace(database, small.database)  # as a person would who wants it back
    shutil.rmtree(small.artifacts)
    os.rename(folder, small.artifacts)
    assert small.state() == after
    assert small.restore(keep_replaced=False).replaced == []
    assert small.litter() == []
    with pytest.raises(BadInput, match="it is not removed"):
        restore.remove_replaced(small.target, [str(small.home)])
    replaced = small.restore().replaced
    assert restore.remove_replaced(small.target, replaced, check=True) == replaced and len(small.litter()) == 2
    assert restore.remove_replaced(small.target, replaced) == replaced and small.litter() == []


def test_artifacts_on_a_volume_of_their_own_are_exchanged_inside_of_it(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(small.artifacts))
    before = small.state()
    taken = small.backup()
    small.write("0/later", b"later")
    report = small.restore()
    aside = small.artifacts / next(Path(path).name for path in report.replaced if str(small.artifacts) in path)
    assert (aside / "0/later").read_bytes() == b"later"
    assert sorted(path.name for path in small.artifacts.iterdir()) == sorted([aside.name, "0", "1"])
    assert small.backup().artifacts == replace(taken.artifacts, seconds=ANY, list=ANY)  # what is aside is no artifact
    restore.remove_replaced(small.target, report.replaced)
    assert small.state() == before

    really = os.rename

    def rename(old: str, new: str) -> None:
        if old.endswith("/1") and "restoring" in old:
            raise OSError(5, "Input/output error", old)
        really(old, new)

    small.write("0/later", b"later")
    live = small.state()
    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(SnapshotError, match="everything is as before"):
        small.restore(taken.id)
    assert small.state() == live and small.litter() == []


def test_a_drill_compares_and_leaves_nothing_and_changes_nothing(small: Small) -> None:
    small.backup()
    small.add_rows(3)
    before = small.state()
    report = small.restore(drill=True)
    assert report.rows["tracking"]["metrics"] == 20_000
    assert report.live["tracking"] == {"alembic_version": 1, "metrics": 20_003}
    assert report.artifacts == len(NAMES)
    assert (small.state(), small.litter()) == (before, [])


def test_a_second_snapshot_of_the_same_costs_almost_nothing_and_reads_no_artifact(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = small.backup()
    read: list[str] = []
    really = artifacts.FolderSource.read
    monkeypatch.setattr(
        artifacts.FolderSource,
        "read",
        lambda self, path: read.append(path) or really(self, path),  # type: ignore
    )
    second = small.backup()
    assert read == []
    assert second.new_bytes < 0.01 * first.new_bytes
    small.write("0/a/model.pkl", b"another")
    small.backup()
    assert read == ["0/a/model.pkl"]
    small.backup(reread=True)
    assert len(read) == 1 + len(NAMES)


def test_a_file_that_was_changed_a_moment_ago_is_read_again(small: Small) -> None:
    small.write("0/hot", b"one")
    small.backup()
    status = (small.artifacts / "0/hot").stat()
    small.write("0/hot", b"two")
    os.utime(small.artifacts / "0/hot", ns=(status.st_atime_ns, status.st_mtime_ns))  # a clock that is too coarse
    second = small.backup()
    small.restore(second.id)
    assert (small.artifacts / "0/hot").read_bytes() == b"two"


def test_one_per_cent_of_change_costs_about_one_per_cent(small: Small) -> None:
    first = small.backup()
    small.add_rows(200)
    second = small.backup()
    assert second.new_bytes < 0.1 * first.new_bytes
    assert second.databases["tracking"].rows["metrics"] == 20_200


def test_content_that_is_there_twice_is_stored_once(small: Small) -> None:
    small.backup()
    digest = hashlib.sha256(b"same").hexdigest()
    stored = [key for key in small.objects() if key.startswith(layout.ARTIFACTS)]
    assert stored.count(layout.key(layout.ARTIFACTS, digest)) == 1
    assert len(stored) == len(NAMES) - 1


def test_only_the_owner_may_read_a_destination(small: Small) -> None:
    os.umask(0o022)
    small.backup()
    for path in [Path(small.place.uri), *Path(small.place.uri).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_belongs_to_whom_the_destination_belongs(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    os.chown(tmp_path / "d", 12345, 12346)
    store = Folder(str(tmp_path / "d"))
    store.put("packs/ab/abc", b"content")
    store.settle()
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (tmp_path / "d").rglob("*")}
    assert owners == {(12345, 12346)} and (tmp_path / "d" / "packs" / "ab" / "abc").exists()


def test_links_and_pipes_are_left_out_and_named(small: Small) -> None:
    (small.artifacts / "0/link").symlink_to("/etc/passwd")
    os.mkfifo(small.artifacts / "0/pipe")
    taken = small.backup()
    assert taken.left_out == [
        {"what": "artifact 0/link", "why": "a symbolic link, no file"},
        {"what": "artifact 0/pipe", "why": "a special file, no file"},
    ] or sorted(item["what"] for item in taken.left_out) == ["artifact 0/link", "artifact 0/pipe"]
    assert taken.artifacts and taken.artifacts.count == len(NAMES)


def test_names_that_are_not_unicode_survive(small: Small) -> None:
    name = os.fsdecode(b"0/latin-\xe9")
    try:
        small.write(name, b"e")
    except OSError:
        pytest.skip("this file system takes only unicode names")
    small.settle()
    small.backup()
    small.backup()  # the second one looks the name up
    before = small.state()
    small.restore()
    assert small.state() == before


def test_an_artifact_that_never_stands_still_is_left_out_and_named(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = artifacts.FolderSource.read

    def growing(self: artifacts.FolderSource, path: str):  # type: ignore[no-untyped-def]
        if path == "1/same":
            with (small.artifacts / path).open("ab") as file:
                file.write(b"more")
        return really(self, path)

    monkeypatch.setattr(artifacts.FolderSource, "read", growing)
    taken = small.backup()
    assert taken.left_out == [{"what": "artifact 1/same", "why": "it was being written during the whole backup"}]


def test_an_artifact_that_goes_while_the_backup_runs_is_left_out_and_named(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = artifacts.FolderSource.read

    def vanishing(self: artifacts.FolderSource, path: str):  # type: ignore[no-untyped-def]
        if path == "1/same":
            (small.artifacts / path).unlink()
        return really(self, path)

    monkeypatch.setattr(artifacts.FolderSource, "read", vanishing)
    assert small.backup().left_out == [{"what": "artifact 1/same", "why": "it was removed while the backup ran"}]


def test_secrets_are_recognised_but_not_written(small: Small) -> None:
    taken = small.backup()
    text = b"".join(path.read_bytes() for path in Path(small.place.uri).rglob("*") if path.is_file())
    assert b"s3cret" not in text
    assert small.restore(drill=True).secrets == {"flask-secret-key": "same"}
    other = replace(small.target, secrets={"flask-secret-key": b"other"})
    report = restore.run(small.place, taken.id, other, restore.Options(), drill=True)
    assert report.secrets == {"flask-secret-key": "another"}
    assert any("flask-secret-key is another" in note for note in report.notes)
    assert fingerprint.compare(taken.secrets, {}) == {"flask-secret-key": "not given"}


def only(small: Small, kind: str, number: int = 0) -> Path:
    found = sorted(path for path in (Path(small.place.uri) / kind).rglob("*") if path.is_file() and path.stat().st_size)
    return found[number]


def tamper(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, Callable[[Path], None]] = {"tampered": tamper, "truncated": cut, "missing": Path.unlink}


@pytest.mark.parametrize("drill", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["manifests", "artifacts", "lists", "packs"])
def test_a_damaged_destination_is_refused_and_what_is_live_stays(
    small: Small, kind: str, damage: str, drill: bool
) -> None:
    taken = small.backup()
    small.add_rows(1)
    before = small.state()
    DAMAGES[damage](only(small, kind))
    with pytest.raises(EngineError) as raised:
        small.restore(taken.id, drill=drill)
    assert any(word in str(raised.value) for word in ("damaged", "is not in", "There is no snapshot")), raised.value
    assert (small.state(), small.litter()) == (before, [])
    if kind == "manifests":
        return
    assert verify.verify(small.place, taken.id).problems
    if damage != "tampered":  # the next backup stores again what is missing or of another size
        small.backup()
        assert small.restore("latest", drill=True).rows["tracking"]["metrics"] == 20_001


def test_verify_says_that_all_is_well_only_when_it_is(small: Small) -> None:
    taken = small.backup()
    result = verify.verify(small.place, "latest")
    assert (result.snapshot, result.problems, result.objects) == (taken.id, [], len(NAMES) + 1)
    assert result.size == taken.size
    part = verify.verify(small.place, "latest", share=0.5, seed=1)
    assert 0 < part.objects < result.objects


def test_a_snapshot_of_a_newer_format_is_refused(small: Small) -> None:
    small.backup()
    text = json.loads(only(small, "manifests").read_bytes()) | {"version": 2}
    raw = json.dumps(text).encode()
    snapshot = f"20261121T100000.000Z-{hashlib.sha256(raw).hexdigest()[:16]}"
    with pytest.raises(SnapshotError, match="format version 2, and this collection reads version 1"):
        manifest.parse(snapshot, raw, "there")


def test_a_path_that_leaves_its_folder_is_refused(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.backup()
    really = layout.read_list

    def evil(store, key):  # type: ignore[no-untyped-def]
        for row in really(store, key):
            yield {**row, "path": "../../evil"} if isinstance(row, dict) else row

    monkeypatch.setattr(layout, "read_list", evil)
    before = small.state()
    with pytest.raises(SnapshotError, match="in a way that no backup does"):
        small.restore()
    assert (small.state(), small.litter()) == (before, [])
    assert not list(small.home.rglob("evil"))


def test_a_database_that_a_server_has_open_is_not_replaced(small: Small) -> None:
    small.backup()
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM metrics'); print('open');"
    command = [sys.executable, "-c", script + "sys.stdout.flush(); sys.stdin.read()", str(small.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout and server.stdin
        server.stdout.readline()
        if not Path("/proc/self/fd").exists():
            pytest.skip("only Linux tells who has a file open")
        with pytest.raises(SnapshotError, match=f"open in process {server.pid}. Stop the server first"):
            small.restore()
        small.restore(drill=True)  # which touches nothing
        server.stdin.close()
    small.restore()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("20200101", "No snapshot in .* is called '20200101'. The newest are"), ("2", "More than one snapshot")],
)
def test_a_snapshot_is_named_unambiguously(small: Small, wanted: str, words: str) -> None:
    small.backup()
    small.backup()
    with pytest.raises(BadInput, match=words):
        small.restore(wanted)


def test_a_destination_without_snapshots_is_said(small: Small, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="nothing was ever backed up there"):
        small.restore()
    connect(small.place)
    with pytest.raises(BadInput, match="There is no snapshot in"):
        small.restore()


def test_a_missing_database_or_folder_is_said_before_anything_is_written(small: Small) -> None:
    source = replace(small.source, databases={"tracking": f"sqlite:///{small.home}/none.db"})
    with pytest.raises(SnapshotError, match=r"none\.db does not exist"):
        backup.check(source, small.place, backup.Options())
    source = replace(small.source, artifacts=Place("/nowhere/at/all"))
    with pytest.raises(SnapshotError, match="/nowhere/at/all, does not exist"):
        backup.check(source, small.place, backup.Options())
    assert not Path(small.place.uri).exists()


def test_two_backups_at_once_are_both_whole(small: Small) -> None:
    taken: list[manifest.Manifest] = []
    threads = [threading.Thread(target=lambda: taken.append(small.backup())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.id for one in taken}) == 2
    for one in taken:
        assert verify.verify(small.place, one.id).problems == []


def test_a_backup_that_takes_too_long_is_no_snapshot(small: Small) -> None:
    with pytest.raises(SnapshotError, match=r"took longer than the 0\.0 h that are allowed"):
        small.backup(max_seconds=0.0)
    assert manifest.ids(small.store) == []


def test_an_overdue_backup_is_said(small: Small) -> None:
    assert verify.overdue(None, 24) == "there is no snapshot"
    summary = small.backup().summary()
    assert verify.overdue(summary, 24) is None
    old = summary | {"created": "2026-01-01T00:00:00+00:00"}
    assert "and 24 h are allowed" in str(verify.overdue(old, 24))


def test_a_list_survives_and_tells_when_it_was_changed(tmp_path: Path) -> None:
    store = Folder(str(tmp_path / "d"))
    writer = layout.ListWriter(tmp_path)
    rows = [{"path": f"ü{number}"} for number in range(5000)]
    for row in rows:
        writer.add(row)
    key, _added = writer.store(store, frozenset())
    store.settle()
    assert list(layout.read_list(store, key)) == rows
    writer = layout.ListWriter(tmp_path)
    for row in rows:
        writer.add(row)
    assert writer.store(store, frozenset({key}))[0] == f"{key}.1"  # never rely on what is about to go
    store.settle()
    assert list(layout.read_list(store, f"{key}.1")) == rows


def test_a_growing_file_is_cut_as_the_whole(tmp_path: Path) -> None:
    store = Folder(str(tmp_path / "d"))
    content = os.urandom(700_000)
    path, ended = tmp_path / "file", threading.Event()
    path.write_bytes(b"")

    def write() -> None:
        with path.open("ab") as file:
            for start in range(0, len(content), 50_000):
                file.write(content[start : start + 50_000])
                file.flush()
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    source = chunks.Growing(path, ended.is_set)
    rows = layout.ListWriter(tmp_path)
    with chunks.Chunks(store, frozenset()) as writer:
        size = writer.cut(source, rows)
        writer.finish()
    thread.join()
    assert size == len(content)
    key, _added = rows.store(store, frozenset())
    store.settle()
    assert b"".join(chunks.assemble(store, key, size)) == content
    with chunks.Chunks(store, frozenset()) as again:
        again.cut(io.BytesIO(content), layout.ListWriter(tmp_path))
        again.finish()
    assert again.new_bytes == 0 and len(again.reused_packs) == 1
