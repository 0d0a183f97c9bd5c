"""A restore through a host's runner, cut off at seeded points: nothing runs on, nothing is lost, the lock is free."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import lock
from support.processes import has_ended, until
from support.snapshots import Small

POINTS = 20
WAYS = ("kill the client", "interrupt the client", "kill the operation", "deadline")
_REPOSITORY = Path(__file__).resolve().parents[2]
# Who asked: a module on the host. Says when it begins to wait.
_CLIENT = """
import json, sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host.runner import HostRunner
options, deadline = json.loads(sys.argv[1]), float(sys.argv[2])
runner = HostRunner("small", "/nowhere", sys.argv[3])
try:
    found = runner.run(protocol.Request(sys.argv[4], options, deadline=deadline), lambda text: None)
except EngineError as error:
    found = {"failed": True, "msg": str(error)}
print(json.dumps(found))
"""


def begin(operation: str, options: dict[str, Any], deadline: float, python: str, home: Path) -> subprocess.Popen[str]:
    env = {"PYTHONPATH": str(_REPOSITORY / ".dev"), "PATH": os.defpath, "HOME": str(home)}
    arguments = [sys.executable, "-c", _CLIENT, json.dumps(options), str(deadline), python, operation]
    return subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start(small: Small, deadline: float = 0.0) -> subprocess.Popen[str]:
    options = {
        "name": "small",
        "destination": small.place.uri,
        "database_uri": small.source.databases["tracking"],
        "artifacts_uri": str(small.artifacts),
        "snapshot": "latest",
        "journal_dir": str(small.home / "operator"),
    }
    return begin("restore", options, deadline, sys.executable, small.home)


def operations_of(client: int) -> list[int]:
    """Processes that the client has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == client:
            found.append(int(process.name))
    return found


def copy_of(small: Small, home: Path) -> Small:
    shutil.copytree(small.home, home)
    copy = Small.__new__(Small)
    copy.at(home)
    return copy


def cut_off(start: Callable[[float], subprocess.Popen[str]], way: str, seconds: float) -> str:
    """Start an operation and cut it off after so many seconds. Returns what the client said, if it could."""
    client = start(seconds if way == "deadline" else 0.0)
    until(lambda: operations_of(client.pid) or client.poll() is not None, "it did not begin")
    started = operations_of(client.pid)
    if way != "deadline":
        time.sleep(seconds)
    with_signal = {"kill the client": signal.SIGKILL, "interrupt the client": signal.SIGINT}
    if way in with_signal:
        client.send_signal(with_signal[way])
    elif way == "kill the operation" and client.poll() is None:
        for process in operations_of(client.pid):
            with contextlib.suppress(ProcessLookupError):  # one of them ended its child, or itself
                os.kill(process, signal.SIGKILL)
    said, _log = client.communicate(timeout=60)
    until(lambda: all(map(has_ended, started)), f"after '{way}' the operation runs on")
    return said


@pytest.mark.heart
def test_a_restore_that_is_cut_off_anywhere_leaves_nothing_running_nothing_lost_and_no_lock(tmp_path: Path) -> None:
    small = Small(tmp_path / "small", size=100_000)
    wanted = small.state()
    small.backup()
    small.add_rows(11)
    small.write("0/later", b"later")
    old = small.state()

    began = time.monotonic()
    whole = start(copy_of(small, tmp_path / "whole"))
    said, log = whole.communicate(timeout=120)
    assert whole.returncode == 0 and "failed" not in json.loads(said), said + log
    length = time.monotonic() - began

    chance, outcomes = random.Random(20261125), set()
    for point in range(POINTS):
        way = WAYS[point % len(WAYS)]
        after = copy_of(small, tmp_path / f"at-{point}")
        said = cut_off(functools.partial(start, after), way, chance.uniform(0.0, length))
        where = f"point {point}, {way}: {said}"
        uri = after.source.databases["tracking"]
        with lock.held(uri, None, "whoever comes next"):
            after.recover()
        state = after.state()
        assert state in (old, wanted), f"{where}: neither the old nor the new state"
        outcomes.add(state == wanted)
        again = start(after)
        said, log = again.communicate(timeout=120)
        assert "failed" not in json.loads(said), f"{where}, then: {said}{log}"
        assert after.state() == wanted, where
        shutil.rmtree(after.home)
    assert False in outcomes, "no point was early enough to cut anything off"


@pytest.mark.heart
def test_who_comes_while_a_restore_works_is_told_so_and_changes_nothing(tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    small.backup()
    before = small.state()
    with lock.held(small.source.databases["tracking"], None, "gc"):
        client = start(small)
        said, _log = client.communicate(timeout=60)
    found = json.loads(said)
    assert found["failed"] and "gc since" in found["msg"] and f"process {os.getpid()}" in found["msg"]
    assert small.state() == before
