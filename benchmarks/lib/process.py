# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes: groups that always end, and what a tree of them costs. Reads /proc, so Linux only."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_ports = itertools.count(21000)


@dataclass(frozen=True)
class _Stat:
    """One line of /proc/PID/stat. C(cpu): user+sys seconds of the process and of its children that ended."""

    parent: int
    group: int
    session: int
    cpu: float


class Tree:
    """A command and everything that it starts, in a session of its own."""

    def __init__(self, argv: list[str], env: Mapping[str, str], log: Path, cwd: Path, **popen: Any) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv, env=dict(env), cwd=cwd, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                start_new_session=True, **popen,
            )  # fmt: skip
        self.pid = self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def processes(self) -> dict[int, _Stat]:
        """Every live process of the tree: descendants, and whatever else is in the session."""
        every = _every_process()
        members = {pid for pid, stat in every.items() if pid == self.pid or stat.session == self.pid}
        while more := {pid for pid, stat in every.items() if stat.parent in members} - members:
            members |= more
        return {pid: every[pid] for pid in members if pid in every}

    def cpu(self) -> float:
        """User+sys seconds of the whole tree so far, with the children that ended and were waited for."""
        return sum(stat.cpu for stat in self.processes().values())

    def pss(self) -> float:
        """Proportional set size of the whole tree in MiB."""
        return sum(_pss(pid) for pid in self.processes()) / 1024

    def stop(self, grace: float = 10.0) -> None:
        """End every process group of the tree: politely, then by SIGKILL. The order keeps no orphan."""
        members = self.processes()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for group in {stat.group for stat in members.values()}:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, number)
            end = time.monotonic() + grace
            while time.monotonic() < end:
                self._process.poll()
                every = _every_process()
                members = {pid: stat for pid, stat in every.items() if pid in members or stat.session == self.pid}
                if not members:
                    return
                time.sleep(0.05)


def free_port() -> int:
    """A loopback port that nobody listens on. Each call gives another one."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("ports are endless")


def _every_process() -> dict[int, _Stat]:
    return dict(_stats())


def _stats() -> Iterator[tuple[int, _Stat]]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            # The command in parentheses may hold spaces, and a zombie costs nothing more.
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            cpu = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
            yield int(name), _Stat(int(fields[1]), int(fields[2]), int(fields[3]), cpu)


def _pss(pid: int) -> int:
    """Kibibytes."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:  # it has just ended
        pass
    return 0
