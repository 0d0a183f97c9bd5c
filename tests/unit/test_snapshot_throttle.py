"""A backup that gives way: what it starts is held while others need the processors, and never for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import throttle
from support.processes import has_ended, state, until

BUSY, IDLE = [100, 0, 0, 0, 0, 0, 0, 0], [0, 50, 0, 30, 20, 0, 0, 0]

# A backup on a machine that is always busy.
BACKUP = """
import itertools, subprocess
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import throttle

readings = itertools.count(1)
throttle._times = lambda: [next(readings), 0, 0, 0, 0, 0, 0, 0]
child = subprocess.Popen(["sleep", "60"], process_group=0)
print(child.pid, flush=True)
with throttle.giving_way(child, 60):
    child.wait()
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], process_group=0)
    yield process
    process.kill()
    process.wait()


def test_time_of_nice_programs_and_of_waiting_for_disks_is_time_to_spare() -> None:
    cores = os.cpu_count() or 1
    assert throttle.spare_cores([0] * 8, BUSY) == 0
    assert throttle.spare_cores([0] * 8, IDLE) == cores
    assert throttle.spare_cores([7] * 8, [57, 17, 17, 27, 7, 7, 7, 17]) == pytest.approx(cores * 30 / 100)


@pytest.mark.parametrize(("spent", "least", "most"), [(BUSY, 0.6, 1.0), (IDLE, 0.0, 0.5)], ids=["busy", "idle"])
def test_a_program_is_held_most_of_the_time_only_where_others_are_busy(
    child: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    spent: list[int],
    least: float,
    most: float,
) -> None:
    readings = count(1)
    monkeypatch.setattr(throttle, "_times", lambda: [number * value for number in [next(readings)] for value in spent])
    with throttle.giving_way(child, 60):
        states = []
        for _ in range(150):
            time.sleep(0.02)
            states.append(state(child.pid))
    assert least <= states.count("T") / len(states) <= most
    assert state(child.pid) != "T"


def test_a_program_is_not_held_any_more_when_patience_is_over(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = count(1)
    monkeypatch.setattr(throttle, "_times", lambda: [next(readings), 0, 0, 0, 0, 0, 0, 0])
    with throttle.giving_way(child, 0.5):
        until(lambda: state(child.pid) == "T", "it was never held")
        until(
            lambda: not [one for one in threading.enumerate() if one.name == "low_priority"],
            "it is held again and again",
        )
        assert state(child.pid) != "T"


def test_who_is_held_ends_with_the_backup_that_is_killed() -> None:
    command = [sys.executable, "-c", BACKUP]
    # The kernel hangs up on a held process whose parent is gone; nohup would have that ignored.
    backup = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL) and None,
    )
    assert backup.stdout
    child = int(backup.stdout.readline())
    until(lambda: state(child) == "T", "it was never held", seconds=10)
    backup.send_signal(signal.SIGKILL)
    backup.wait()
    until(lambda: has_ended(child), "it is held for good", seconds=10)
