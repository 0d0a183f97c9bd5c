"""Pruning: by age and number, in two steps, and never what a backup that runs beside it relies on."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, SnapshotError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import layout, manifest, verify
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import prune as marks
from support.snapshots import NAMES, Small

HOUR = 3600.0


class Clock:
    """The pruner's clock, which a test moves on."""

    def __init__(self) -> None:
        self.hours = 0.0

    def time(self) -> float:
        return time.time() + self.hours * HOUR


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(marks, "time", types.SimpleNamespace(time=clock.time))
    yield clock


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def prune(small: Small, *, keep_days: float = 0, keep_count: int = 1, check: bool = False) -> marks.Pruned:
    return marks.prune(
        small.store, name="small", keep_days=keep_days, keep_count=keep_count, max_seconds=24 * HOUR, check=check
    )


def change(small: Small) -> None:
    """So that the next snapshot needs none of the artifacts of the one before."""
    for name in NAMES:
        small.write(name, small.random.randbytes(1000))
    small.settle()


def test_snapshots_go_by_age_and_number(small: Small, clock: Clock) -> None:
    taken = [small.backup().id for _ in range(3)]
    assert prune(small, keep_days=30).removed == []  # none is old
    clock.hours = 31 * 24
    assert prune(small, keep_days=30, keep_count=3).removed == []  # all are among the newest three
    result = prune(small, keep_days=30, keep_count=2)
    assert (result.removed, result.kept) == ([taken[0]], [taken[2], taken[1]])
    assert manifest.ids(small.store) == [taken[2], taken[1]]
    with pytest.raises(BadInput, match="the last snapshot is never pruned"):
        prune(small, keep_count=0)


def test_what_only_a_removed_snapshot_held_goes_a_day_later(small: Small, clock: Clock) -> None:
    small.backup()
    change(small)
    newest = small.backup()
    before = small.objects()
    clock.hours = 48
    first = prune(small)
    assert first.removed and first.marked and not first.deleted
    assert {key for key in before if key not in small.objects()} == {f"{layout.MANIFESTS}{first.removed[0]}.json"}
    clock.hours = 60
    assert not prune(small).deleted  # the longest backup may still run
    clock.hours = 74
    second = prune(small)
    assert second.deleted == first.marked and second.freed > 0
    assert verify.verify(small.place, newest.id).problems == []
    assert not [key for key in small.objects() if key.startswith(layout.MARKS)]
    clock.hours = 120
    assert not prune(small).changed


def test_check_mode_says_the_same_and_does_nothing(small: Small, clock: Clock) -> None:
    small.backup()
    change(small)
    small.backup()
    clock.hours = 48
    before = small.objects()
    promised = prune(small, check=True)
    assert promised.changed and small.objects() == before
    assert prune(small) == promised
    clock.hours = 96
    before = small.objects()
    promised = prune(small, check=True)
    assert promised.deleted and small.objects() == before
    assert prune(small) == promised


def test_other_deployments_in_the_same_place_are_left_alone(small: Small, clock: Clock) -> None:
    taken = [small.backup().id for _ in range(2)]
    clock.hours = 1000
    for _ in range(2):
        result = marks.prune(small.store, name="other", keep_days=0, keep_count=1, max_seconds=24 * HOUR)
        assert not result.changed
        clock.hours += 48
    assert [verify.verify(small.place, one).problems for one in taken] == [[], []]


def during(small: Small, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> manifest.Manifest:
    """Back up, and do something else just before the manifest is written."""
    really = manifest.write

    def write(store, body):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(manifest, "write", really)
        act()
        return really(store, body)

    monkeypatch.setattr(manifest, "write", write)
    return small.backup()


def test_a_prune_while_a_snapshot_is_written_removes_nothing_of_it(
    small: Small, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = small.backup()
    small.store.delete(f"{layout.MANIFESTS}{first.id}.json")  # its objects are nobody's now

    def mark() -> None:
        clock.hours = 48
        assert prune(small).marked  # all of what the running backup found there already

    running = during(small, monkeypatch, mark)
    clock.hours = 120
    assert not prune(small).deleted
    assert verify.verify(small.place, running.id).problems == []
    assert small.restore(running.id, drill=True).artifacts == len(NAMES)


def test_a_snapshot_that_begins_after_the_mark_does_not_rely_on_what_goes(small: Small, clock: Clock) -> None:
    first = small.backup()
    small.store.delete(f"{layout.MANIFESTS}{first.id}.json")
    clock.hours = 48
    marked = prune(small).marked
    later = small.backup()  # of the very same data
    assert later.new_bytes > 0.9 * first.new_bytes
    clock.hours = 96
    assert prune(small).deleted == marked
    assert verify.verify(small.place, later.id).problems == []
    again = small.backup()  # and the next one finds those that were stored beside
    assert again.new_bytes < 0.01 * first.new_bytes
    assert small.restore(again.id, drill=True).artifacts == len(NAMES)


@pytest.mark.parametrize("kind", ["artifacts", "packs"])
def test_an_object_removed_under_a_running_backup_is_noticed(
    small: Small, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    small.backup()
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import backup

    really = backup.artifacts.store_all

    def store_all(*arguments, **options):  # type: ignore[no-untyped-def]
        result = really(*arguments, **options)
        next(path for path in (Path(small.place.uri) / kind).rglob("*") if path.is_file()).unlink()
        return result

    monkeypatch.setattr(backup.artifacts, "store_all", store_all)
    with pytest.raises(SnapshotError, match="was removed while this backup relied on it"):
        small.backup()
    assert len(manifest.ids(small.store)) == 1


def test_a_damaged_manifest_stops_pruning(small: Small, clock: Clock) -> None:
    small.backup()
    small.backup()
    path = next((Path(small.place.uri) / "manifests").iterdir())
    path.write_bytes(path.read_bytes()[:-10])
    clock.hours = 1000
    before = small.objects()
    with pytest.raises(SnapshotError, match="damaged"):
        prune(small)
    assert small.objects() == before


def test_what_killed_backups_left_half_written_goes(small: Small, clock: Clock) -> None:
    small.backup()
    incoming = Path(small.place.uri) / "incoming"
    (incoming / "scratch-x").mkdir()
    (incoming / "scratch-x" / "dump").write_bytes(b"half")
    (incoming / "half").write_bytes(b"half")
    prune(small)
    assert (incoming / "half").exists()  # a backup may still be writing it
    clock.hours = 48
    prune(small)
    assert list(incoming.iterdir()) == []
