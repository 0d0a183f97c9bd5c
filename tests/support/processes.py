"""What became of processes, and of what takes a moment on a busy machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def state(pid: int) -> str:
    """The letter that C(ps) shows; nothing where there is no such process."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return said.stdout.strip()[:1]


def has_ended(pid: int) -> bool:
    """Also if its parent did not ask for it yet."""
    return state(pid) in ("", "Z")


def descendants(pid: int) -> list[int]:
    """What a process started, and what that started, whatever their sessions."""
    said = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in said.splitlines():
        parent, child = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:  # which grows meanwhile
        found += children.get(one, [])
    return found[1:]


def until(true: Callable[[], object], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)
