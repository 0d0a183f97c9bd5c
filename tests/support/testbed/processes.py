"""Processes that outlive the command that started them, known by process id and start time, never by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import settings
from .shell import Argv, Failure, say

SECONDS_TO_END = 5


@dataclass(frozen=True)
class Process:
    name: str
    argv: Argv


def log(name: str) -> Path:
    return settings.LOGS / f"{name}.log"


def start(what: Process) -> None:
    settings.PROCESSES.mkdir(parents=True, exist_ok=True)
    settings.LOGS.mkdir(parents=True, exist_ok=True)
    with log(what.name).open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in what.argv],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal of `up` is not for it
        )
    record(what.name).write_text(json.dumps({"pid": process.pid, "started": started(process.pid)}))


def record(name: str) -> Path:
    return settings.PROCESSES / f"{name}.json"


def started(pid: int) -> str | None:
    """When the kernel started this process, in its clock ticks since boot; None if it has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, start_time = after_name[0], after_name[19]
    return None if state in "ZX" else start_time


def pid(name: str) -> int | None:
    """The process of this name if it is the one that we started and it is alive: ids are given again to others."""
    try:
        known = json.loads(record(name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return known["pid"] if known["started"] and known["started"] == started(known["pid"]) else None


def check_alive(names: Iterable[str]) -> None:
    for name in names:
        if pid(name) is None:
            raise Failure(f"{name} has ended:", log(name))


def stop(name: str, seconds: float = SECONDS_TO_END) -> None:
    if (process := pid(name)) is not None:
        end(process, name, seconds)
    record(name).unlink(missing_ok=True)


def end(process: int, name: str, seconds: float = SECONDS_TO_END) -> None:
    """Ask a process to end; kill it when it does not within these seconds."""
    start_time = started(process)
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5)):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if started(process) != start_time:
                return
            time.sleep(0.05)
    say(f"{name} (process {process}) does not end, not even when killed")
