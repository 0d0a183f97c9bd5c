"""What clients and the server can write decides nothing: where a restore notes what it moves, and what it believes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore.store
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes, restore_note
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.base import Loading
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.sqlite import SQLite
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError, SchemaError, SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import (
    journal,
    layout,
    prune,
    restore,
    verify,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.base import Store
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Cloud, Place
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.folder import Folder
from support.snapshots import Small

STAMP = "20260101000000000"
ROWS = 200


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, rows=ROWS, size=1000)


@pytest.fixture
def volume(small: Small, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The artifacts on a volume of their own, as always in containers."""
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(small.artifacts))
    return small.artifacts


def note_of(small: Small) -> Path:
    (note,) = (small.home / "operator").iterdir()
    return note


def cut_off(small: Small, monkeypatch: pytest.MonkeyPatch, renames: int, wanted: str = "latest") -> None:
    """A restore that ends without a word after so many moves, as by a power cut."""
    left, really = [renames], os.rename

    def rename(old: Any, new: Any) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        really(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            small.restore(wanted)


def test_a_journal_that_a_client_put_beside_the_artifacts_moves_nothing(small: Small, volume: Path) -> None:
    only_artifacts = restore.Target({}, artifacts=small.source.artifacts)
    small.backup()
    manifests = Path(small.place.uri) / "manifests"
    forged = {"renames": [[str(small.home / "moved"), str(manifests)], ["/nowhere-a", "/nowhere-b"]]}
    text = json.dumps({**forged, "databases": [], "proof": None}).encode()
    for place in (volume, small.database.parent):
        (place / ".mlops-restore.json").write_bytes(text)
    before = sorted(manifests.iterdir())
    for target in (only_artifacts, small.target):
        report = restore.run(small.place, "latest", target, restore.Options(journal_dir=str(small.home / "operator")))
        assert not any("interrupted" in note for note in report.notes)
    assert sorted(manifests.iterdir()) == before and not (small.home / "moved").exists()


@pytest.mark.parametrize("on_a_volume", [True, False])
def test_artifacts_with_names_like_ours_are_backed_up_and_come_back(
    small: Small, on_a_volume: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: on_a_volume and str(path) == str(small.artifacts))
    for name in (
        ".mlops-restore.json",
        ".mlops-notes/1",
        f".mlops-before-{STAMP}/0/x",
        f".mlops-restoring-{STAMP}/0/x",
        "lost+found/x",
        "lost+found-of-mine",
    ):
        small.write(name, name.encode())
    small.settle()
    wanted = small.state()
    taken = small.backup()
    assert taken.left_out == []
    small.restore(keep_replaced=False)
    assert small.state() == wanted
    for name in (".mlops-notes", f".mlops-before-{STAMP}", f".mlops-restoring-{STAMP}"):
        os.rename(small.artifacts / name, small.home / name)
    small.restore(keep_replaced=False)
    assert small.state() == wanted


def test_what_a_restore_keeps_on_a_volume_is_known_by_the_database_that_it_kept(small: Small, volume: Path) -> None:
    small.backup()
    kept = [Path(path) for path in small.restore().replaced]
    (aside,) = [path for path in kept if path.parent == volume]
    taken = small.backup()
    assert [one["what"] for one in taken.left_out] == [f"artifact {aside.name}"]
    small.restore(taken.id)
    assert aside.is_dir(), "what an earlier restore kept stays where it is"


@pytest.mark.parametrize("moves", range(10))
def test_a_restore_on_a_volume_that_was_cut_off_is_undone_whatever_clients_wrote_there(
    small: Small, volume: Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        small.write(f"{number}/file", b"%d" % number)
    small.settle()
    wanted = small.state()
    small.backup()
    small.add_rows(3)
    small.write("0/later", b"later")
    old = small.state()
    cut_off(small, monkeypatch, moves)
    stamp = json.loads(note_of(small).read_text())["stamp"]
    (volume / f".mlops-before-{stamp}" / "evil").write_bytes(b"by a client")
    (volume / f".mlops-restoring-{stamp}" / "evil").write_bytes(b"by a client")
    assert small.recover() == ["an earlier restore was interrupted while it put the data in place; that was undone"]
    rows, files = small.state()
    assert (rows, {name: sha for name, sha in files.items() if ".mlops" not in name}) == old
    report = small.restore(keep_replaced=False)
    assert small.state()[0] == wanted[0]
    assert {name: sha for name, sha in small.state()[1].items() if "evil" not in name} == wanted[1]
    assert report.rows["tracking"]["metrics"] == ROWS
    assert not list((small.home / "operator").iterdir())


def test_a_restore_that_had_done_everything_is_not_undone(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = small.state()
    small.backup()
    small.add_rows(3)
    cleared: list[None] = []

    def clear(_self: journal.Journal) -> None:
        cleared.append(None)
        if len(cleared) == 2:  # the first is that of what was left before
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(journal.Journal, "clear", clear)
        with pytest.raises(KeyboardInterrupt):
            small.restore()
    assert small.recover() == ["an earlier restore was interrupted after it had put everything in place"]
    assert small.state() == wanted


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another format": lambda note: note | {"format": "x"},
    "no steps": lambda note: {key: value for key, value in note.items() if key != "steps"},
    "no object": lambda note: [note],
    "a path as stamp": lambda note: note | {"stamp": "/../../../../etc"},
    "a number as stamp": lambda note: note | {"stamp": 20260101000000000},
    "a path as what": lambda note: note | {"steps": [["/etc/passwd", "aside", ""]]},
    "a path as name": lambda note: note | {"steps": [["artifacts", "aside", "../../important"]]},
    "a parent as name": lambda note: note | {"steps": [["artifacts", "in", ".."]]},
    "a NUL as name": lambda note: note | {"steps": [["artifacts", "in", "a\0b"]]},
    "another end of a file": lambda note: note | {"steps": [["tracking", "aside", "/../x"]]},
    "another move": lambda note: note | {"steps": [["tracking", "remove", ""]]},
    "pairs of paths": lambda note: note | {"steps": [["/a", "/b"]]},
    "numbers as steps": lambda note: note | {"steps": [[1, 2, 3]]},
    "a bucket's parent": lambda note: note | {"replaced": {"../x": "ab"}},
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_note_that_no_restore_writes_is_refused_in_one_sentence_and_nothing_is_moved(
    small: Small, volume: Path, forged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.backup()
    small.add_rows(1)
    cut_off(small, monkeypatch, 3)
    note = note_of(small)
    note.write_text(json.dumps(FORGED[forged](json.loads(note.read_text()))))
    before = {str(path) for path in small.home.rglob("*")}
    with pytest.raises(SnapshotError, match=r"is not one that a restore of this target writes.*Nothing was changed"):
        small.restore()
    assert {str(path) for path in small.home.rglob("*")} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("whose", ["folder", "parent"])
def test_a_journal_that_others_could_write_is_refused_before_anything_is_loaded(small: Small, whose: str) -> None:
    small.backup()
    place = small.home / "shared" / "operator"
    place.mkdir(parents=True)
    os.chown(place if whose == "folder" else place.parent, 12345, 12345)
    state = small.state()
    with pytest.raises(SnapshotError, match="may be written by others than the user who restores"):
        small.restore(journal_dir=str(place))
    assert (small.state(), small.litter()) == (state, [])
    os.chown(place, 0, 0)
    os.chown(place.parent, 0, 0)
    place.chmod(0o777)
    with pytest.raises(SnapshotError, match="may be written by others"):
        small.restore(journal_dir=str(place))


def test_a_deployment_sees_a_restore_that_was_cut_off_by_its_journal(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = small.home / "operator"
    really = restore_note.file_of
    monkeypatch.setattr(restore_note, "file_of", lambda target, _place=None: really(target, str(operator)))
    small.backup()
    cut_off(small, monkeypatch, 3)  # the database is the restored one, the artifacts are away
    assert small.database.exists() and not small.artifacts.exists()
    with pytest.raises(SchemaError, match="Run the restore again"):
        changes.ensure(f"sqlite:///{small.database}")
    small.restore()
    with pytest.raises(EngineError) as raised:  # this small database is none of MLflow's
        changes.ensure(f"sqlite:///{small.database}")
    assert "restore" not in str(raised.value)


def test_a_drill_leaves_a_restore_that_was_cut_off_to_the_next_restore(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.backup()
    small.write("0/later", b"later")
    old = small.state()
    cut_off(small, monkeypatch, 1)  # the database is away
    with monkeypatch.context() as patched:
        patched.setattr(restore.time, "time", lambda: 4e9)  # long afterwards
        small.restore(drill=True)
    small.recover()
    assert small.state() == old


BAD_KEYS = ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a/", "x\0y", "\ud800", "x" * 5000]


def stores(tmp_path: Path) -> list[Store]:
    return [Folder(str(tmp_path / "folder")), Cloud(Place("s3://bucket"), obstore.store.MemoryStore())]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_no_store_takes_a_key_that_leaves_its_place(tmp_path: Path, key: str) -> None:
    for store in stores(tmp_path):
        for act in (
            lambda store=store: store.put(key, b""),
            lambda store=store: store.put_stream(key, iter([b""]), 0),
            lambda store=store: list(store.read(key)),
            lambda store=store: store.get(key, 10),
            lambda store=store: store.read_part(key, 0, 1),
            lambda store=store: store.find(key),
            lambda store=store: store.delete(key),
        ):
            with pytest.raises(SnapshotError, match="cannot be the key of an object"):
                act()
        assert list(store.list("")) == []


def test_no_store_gives_more_than_its_reader_expects(tmp_path: Path) -> None:
    for store in stores(tmp_path):
        store.put("a/b", bytes(5 << 20))
        store.settle()
        given = []
        with pytest.raises(SnapshotError, match="more than the expected 1 bytes"):
            for block in store.read("a/b", 1):
                given.append(block)
        assert given == []
        assert len(store.get("a/b", 5 << 20)) == 5 << 20


def test_a_folder_of_objects_follows_no_link_and_reads_no_pipe(tmp_path: Path) -> None:
    store = Folder(str(tmp_path / "folder"))
    store.put("a/b", b"content")
    store.settle()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim").write_text("victim")
    (store.root / "link").symlink_to(tmp_path / "outside")
    (store.root / "a" / "file").symlink_to(tmp_path / "outside" / "victim")
    os.mkfifo(store.root / "a" / "pipe")
    (store.root / "a" / "folder").mkdir()
    for key in ("link/victim", "a/file", "a/pipe", "a/folder"):
        assert store.find(key) is None
        with pytest.raises(SnapshotError):
            store.get(key, 10)
    with pytest.raises(SnapshotError):
        store.delete("link/victim")
    with pytest.raises(SnapshotError):
        store.put("link/new", b"x")
        store.settle()
    store.abandon()
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["victim"]
    assert [found.key for found in store.list("")] == ["a/b"]


def test_a_pending_deletion_that_names_other_files_removes_none_of_them(small: Small) -> None:
    victim = small.home / "victim"
    victim.write_text("victim")
    small.backup()
    before = small.objects()
    for named in (str(victim), "../victim", "manifests/x.json", "artifacts/ab/../../../victim", 5):
        mark = Path(small.place.uri) / "marks" / "20200101T000000Z-0a1b2c3d"
        mark.parent.mkdir(exist_ok=True)
        mark.write_bytes(layout.zstd().ZstdCompressor().compress(json.dumps([named]).encode()))
        os.utime(mark, (0, 0))
        with pytest.raises(SnapshotError, match=r"is damaged, or no prune wrote it. Nothing was removed"):
            prune.prune(small.store, name="small", keep_days=0, keep_count=1, max_seconds=60)
        mark.unlink()
        assert victim.exists() and small.objects() == before


def signed(small: Small, change: Callable[[dict[str, Any]], None]) -> str:
    """The newest snapshot's manifest, changed, under the name that it asks for."""
    (path,) = (Path(small.place.uri) / "manifests").iterdir()
    body = json.loads(path.read_text())
    change(body)
    text = json.dumps(body).encode()
    path.unlink()
    new = path.with_name(f"{path.name[:20]}-{hashlib.sha256(text).hexdigest()[:16]}.json")
    new.write_bytes(text)
    return new.stem


def listed(small: Small, **values: Any) -> Callable[[dict[str, Any]], None]:
    """Its list of artifacts has other values in every row."""

    def change(body: dict[str, Any]) -> None:
        rows = [{**row, **values} for row in layout.read_list(small.store, body["artifacts"]["list"])]
        text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        data = layout.zstd().ZstdCompressor().compress(text)
        digest = hashlib.sha256(data).hexdigest()
        body["artifacts"]["list"] = f"lists/{digest[:2]}/{digest}"
        place = Path(small.place.uri) / body["artifacts"]["list"]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)

    return change


CHANGES: dict[str, Callable[[Small], Callable[[dict[str, Any]], None]]] = {
    "a NUL in a path": lambda small: listed(small, path="a\0b"),
    "a number as path": lambda small: listed(small, path=5),
    "no path": lambda small: listed(small, path=None),
    "a path outside": lambda small: listed(small, path="../../evil"),
    "an absolute path": lambda small: listed(small, path=str(small.home / "evil")),
    "an object outside": lambda small: listed(small, object="artifacts/../../../evil"),
    "another object": lambda small: listed(small, object=f"artifacts/ab/{'ab' * 32}"),
    "a size as text": lambda small: listed(small, size="1"),
    "a smaller size": lambda small: listed(small, size=1),
    "a malformed fingerprint": lambda small: lambda body: body["secrets"].update({"flask-secret-key": "scrypt$$"}),
    "no database": lambda small: lambda body: body["databases"].update({"tracking": None}),
    "a file outside": lambda small: lambda body: body["databases"]["tracking"]["files"][0].update(path="../x"),
    "a list outside": lambda small: lambda body: body["artifacts"].update(list="lists/../../x"),
    "a time that cannot be": lambda small: lambda body: body.update(created="2026-13-01T00:00:00.000+00:00"),
    "lines in a version": lambda small: lambda body: body.update(mlflow_version="3.17.2\n\x1b[2JRestored"),
    "lines in a name": lambda small: lambda body: body.update(name="small\nRestored: all of it"),
    "a server that counts further": lambda small: (
        lambda body: body["databases"]["tracking"].update(server_version="17\nProven")
    ),
    "digits of another script": lambda small: lambda body: body.update(created="٢026-11-21T01:00:00.000+00:00"),
    "no number": lambda small: lambda body: body.update(new_bytes=float("nan")),
    "a number without end": lambda small: lambda body: body["artifacts"].update(seconds=float("inf")),
    "a huge number": lambda small: lambda body: body["artifacts"].update(size=10**4000),
    "a truth as number": lambda small: lambda body: body["artifacts"].update(count=True),
    "fewer artifacts": lambda small: lambda body: body["artifacts"].update(count=1),
    "fewer bytes": lambda small: lambda body: body["databases"]["tracking"]["files"][0].update(size=10),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_no_backup_writes_is_one_sentence_for_everybody(small: Small, change: str) -> None:
    small.backup()
    snapshot = signed(small, CHANGES[change](small))
    state = small.state()
    for act in (lambda: small.restore(snapshot), lambda: small.restore(snapshot, drill=True)):
        with pytest.raises(SnapshotError) as raised:
            act()
        assert "damaged" in str(raised.value) or "none that a backup writes" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert (small.state(), small.litter()) == (state, [])
    try:
        problems = verify.verify(small.place, snapshot).problems
    except SnapshotError as error:
        problems = [str(error)]
    assert problems


@pytest.mark.parametrize(
    ("known", "change"),
    [
        ('"new_bytes"', '"new_bytes": 1, "new_bytes"'),
        ('"tracking"', '"tracking": {}, "tracking"'),
        ('"new_bytes"', f'"new_bytes": {"9" * 5000}, "other"'),
    ],
    ids=["a number twice", "a database twice", "a number that python does not read"],
)
def test_a_manifest_that_readers_would_read_differently_is_refused(small: Small, known: str, change: str) -> None:
    small.backup()
    (path,) = (Path(small.place.uri) / "manifests").iterdir()
    text = path.read_text().replace(known, change, 1).encode()
    path.unlink()
    path.with_name(f"{path.name[:20]}-{hashlib.sha256(text).hexdigest()[:16]}.json").write_bytes(text)
    state = small.state()
    with pytest.raises(SnapshotError, match=r"none that a backup writes: .* Use another snapshot\.$"):
        small.restore()
    assert (small.state(), small.litter()) == (state, [])


def test_a_snapshot_without_the_file_that_a_kind_of_database_writes_is_damaged(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.backup()

    def load(_database: SQLite, _name: str, source: Loading, _what: str, _tools: object) -> None:
        source.write("database.tar", small.home / "database.tar", durable=False)

    monkeypatch.setattr(SQLite, "load", load)
    with pytest.raises(SnapshotError, match=r"The tracking database in the snapshot has no file database.tar: it is"):
        small.restore(drill=True)
