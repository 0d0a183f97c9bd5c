"""Hostile and damaged destinations and journals: one sentence each, nothing outside, bounded memory and time."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import restore_note, sqlite
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import (
    commands,
    folder_restore,
    journal,
    prune,
    swap,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import durable, folder
from support.snapshot_mutations import Mutation
from support.snapshots import Small

# Beyond what the process has already; a bomb is four times that.
MEMORY = 768 << 20
SECONDS = 120


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small deployment with two snapshots, a mark, and a restore that was cut off."""
    home = tmp_path_factory.mktemp("template") / "home"
    small = Small(home, rows=60, size=900)
    (home / "outside").mkdir()
    (home / "outside" / "victim").write_text("victim")
    small.backup()
    small.write("0/a/model.pkl", b"another")
    small.add_rows(5)
    small.settle()
    small.backup()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(journal.Journal, "clear", lambda _self: None)
        small.restore(keep_replaced=False)
    return home


class Hung(Exception):
    """Something waited for ever."""


@contextmanager
def bounded() -> Iterator[None]:
    """Less memory than a bomb needs, and an end."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)

    def hung(*_arguments: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outside(home: Path) -> dict[str, str]:
    """Everything that is none of the deployment's, its operator's or the destination's."""
    found = {}
    others = [path for path in home.iterdir() if path.name not in ("live", "destination", "operator")]
    inner = (path for one in others if not one.is_symlink() for path in one.rglob("*"))
    for path in [home, *others, *inner]:
        place = path.relative_to(home)
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(place)] = f"{status.st_mode:o} {status.st_uid} {content}"
    return found


def acts(small: Small) -> dict[str, Callable[[], Any]]:
    settings: dict[str, Any] = {
        "destination": small.place.uri,
        "name": "small",
        "database_uri": f"sqlite:///{small.database}",
        "artifacts_uri": str(small.artifacts),
        "journal_dir": str(small.home / "operator"),
        "keep_replaced": False,
        "keep_count": 1,
        "keep_days": 0,
    }
    return {
        "verify": lambda: commands.describe(settings, verify="all"),
        "drill": lambda: commands.restore_snapshot({**settings, "drill": True}, check=False),
        "restore": lambda: commands.restore_snapshot(settings, check=False),
        "check": lambda: commands.restore_snapshot(settings, check=True),
        "prune": lambda: commands.prune_snapshots(settings, check=False),
        "backup": lambda: commands.create_backup(settings, check=False),
    }


def tried(template: Path, home: Path, seed: int) -> tuple[int, int, list[str]]:
    """All acts after one mutation: how many went well, how many were refused, and what was wrong."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home)
    _as_of_this_home(home)
    mutation = Mutation(home, seed).apply()
    small = Small.__new__(Small)
    small.at(home)
    before, well, refused, wrong = outside(home), 0, 0, []
    for name, act in acts(small).items():
        state = small.state()
        try:
            with bounded():
                act()
            well += 1
        except EngineError as error:
            refused += 1
            if "\n" in str(error) or len(str(error)) > 2000:
                wrong.append(f"{seed}, {name} after {mutation}: no sentence: {error}")
            if small.state() != state:
                wrong.append(f"{seed}, {name} after {mutation}: refused ({error}), and something was changed")
        except BaseException:
            wrong.append(f"{seed}, {name} after {mutation}:\n{traceback.format_exc(limit=-4)}")
        if outside(home) != before:
            wrong.append(f"{seed}, {name} after {mutation}: something outside was changed")
    return well, refused, wrong


def _as_of_this_home(home: Path) -> None:
    """The journal is named after the place of the database."""
    (note,) = (home / "operator").iterdir()
    note.rename(restore_note.file_of(str(home / "live" / "mlflow.db"), str(home / "operator")))


def mutate(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    for place in (durable, folder, folder_restore, journal, swap):
        monkeypatch.setattr(place, "fsync", lambda _path: None)
    monkeypatch.setattr(os, "sync", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(sqlite, "users_of", lambda _path: [])
    monkeypatch.setattr(prune.time, "time", lambda: 4e9)  # whatever is marked is due
    well = refused = 0
    wrong: list[str] = []
    for seed in seeds:
        outcome = tried(template, tmp_path / "home", seed)
        well, refused, wrong = well + outcome[0], refused + outcome[1], wrong + outcome[2]
    assert not wrong, f"{len(wrong)} of {len(seeds) * 6}:\n" + "\n".join(wrong[:8])
    assert well > len(seeds) / 2 and refused > len(seeds) / 2, (well, refused)


def test_what_others_wrote_into_a_destination_or_journal_costs_a_sentence_at_most(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(template, tmp_path, monkeypatch, range(60))


@pytest.mark.ci
def test_what_others_wrote_in_further_ways_costs_a_sentence_at_most(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(template, tmp_path, monkeypatch, range(60, 150))


@pytest.mark.soak
def test_what_others_wrote_in_thousands_of_ways_costs_a_sentence_at_most(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(template, tmp_path, monkeypatch, range(1000, 3500))
