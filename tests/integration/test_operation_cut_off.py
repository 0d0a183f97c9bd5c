"""A restore through a host's runner, cut off at seeded points: nothing runs on, nothing is lost, the lock is free."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
from support.cut_off import WAYS, OnHost, carried_out, cut_off
from support.snapshots import Small

POINTS = 20


def place_of(small: Small) -> OnHost:
    return OnHost(Path(sys.executable), small.home)


def restore(small: Small) -> protocol.Request:
    options = {
        "name": "small",
        "destination": small.place.uri,
        "database_uri": small.source.databases["tracking"],
        "artifacts_uri": str(small.artifacts),
        "snapshot": "latest",
        "journal_dir": str(small.home / "operator"),
    }
    return protocol.Request("restore", options)


def copy_of(small: Small, home: Path) -> Small:
    shutil.copytree(small.home, home)
    copy = Small.__new__(Small)
    copy.at(home)
    return copy


@pytest.mark.ci
def test_a_restore_that_is_cut_off_anywhere_leaves_nothing_running_nothing_lost_and_no_lock(tmp_path: Path) -> None:
    small = Small(tmp_path / "small", size=100_000)
    wanted = small.state()
    small.backup()
    small.add_rows(11)
    small.write("0/later", b"later")
    old = small.state()

    began, whole = time.monotonic(), copy_of(small, tmp_path / "whole")
    assert "failed" not in carried_out(place_of(whole), restore(whole))
    length = time.monotonic() - began

    chance, outcomes = random.Random(20261125), set()
    for point in range(POINTS):
        way = WAYS[point % len(WAYS)]
        after = copy_of(small, tmp_path / f"at-{point}")
        said = cut_off(place_of(after), restore(after), way, chance.uniform(0.0, length))
        where = f"point {point}, {way}: {said}"
        uri = after.source.databases["tracking"]
        with lock.held(uri, None, "whoever comes next"):
            after.recover()
        state = after.state()
        assert state in (old, wanted), f"{where}: neither the old nor the new state"
        outcomes.add(state == wanted)
        again = carried_out(place_of(after), restore(after))
        assert "failed" not in again, f"{where}, then: {again}"
        assert after.state() == wanted, where
        shutil.rmtree(after.home)
    assert False in outcomes, "no point was early enough to cut anything off"


@pytest.mark.heart
def test_who_comes_while_a_restore_works_is_told_so_and_changes_nothing(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    small.backup()
    before = small.state()
    with lock.held(small.source.databases["tracking"], None, "gc"):
        found = carried_out(place_of(small), restore(small))
    assert found["failed"] and "gc since" in found["msg"] and f"process {os.getpid()}" in found["msg"]
    assert small.state() == before
