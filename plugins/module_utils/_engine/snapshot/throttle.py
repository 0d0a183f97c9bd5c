# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Giving way: while others need the processors, a dump gets a tenth of the time.

Niceness alone does not: the server's own process that reads the tables for pg_dump is as important as those that serve.
When pg_dump does not take what it reads, it waits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

NICENESS = 10
_PERIOD = 1.0
_SLICE = 0.1
# Cores that nobody important uses. The server takes about one to read a table.
_SPARE = 0.9


@contextlib.contextmanager
def giving_way(process: subprocess.Popen[bytes], patience: float) -> Iterator[None]:
    """Hold a program, which leads a process group of its own, as often as others need what it takes.

    Where the kernel does not say how busy the machine is, the program is never held.

    :param patience: seconds after which it is not held any more, because a backup must end, too.
    """
    over = threading.Event()
    last = time.monotonic() + patience
    alternating = threading.Thread(target=_alternate, args=(process, over, last), name="low_priority", daemon=True)
    if _times():
        alternating.start()
    try:
        yield
    finally:
        over.set()
        if alternating.is_alive():
            alternating.join()


def _alternate(process: subprocess.Popen[bytes], over: threading.Event, last: float) -> None:
    """In each period look first how busy the others are, with the program held; then let it run, long or shortly."""
    while not over.is_set() and time.monotonic() < last:
        _signal(process, signal.SIGSTOP)
        try:
            before = _times()
            over.wait(_SLICE)
            crowded = spare_cores(before, _times()) < _SPARE
            if crowded:
                over.wait(_PERIOD - 2 * _SLICE)
        finally:
            _signal(process, signal.SIGCONT)
        over.wait(_SLICE if crowded else _PERIOD - _SLICE)


def spare_cores(before: list[int], after: list[int]) -> float:
    """Cores that were idle, waited for a disk, or were used by nice programs, between two readings."""
    spent = [late - early for early, late in zip(before, after, strict=True)]
    _user, nice, _system, idle, waiting = spent[:5]
    return (nice + idle + waiting) / max(1, sum(spent)) * (os.cpu_count() or 1)


def _times() -> list[int]:
    """What all cores did since the machine runs; empty where that is not known."""
    try:
        # The last two, of guests, are within the first two.
        return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return []


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
