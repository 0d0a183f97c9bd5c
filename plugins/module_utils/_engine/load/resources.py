# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the servers take while they are loaded: CPU seconds, memory and database connections, from Linux' C(/proc).

For servers on the machine where this runs. A process that ends takes its counters along, so they are read each second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..compose import inspect
from ..errors import BadInput, EngineError

_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_ESTABLISHED = "01"


@dataclass(frozen=True)
class Moment:
    """One measurement of a server: C(cpu_seconds) since the first, C(memory_bytes) with shared pages counted once."""

    at: float
    cpu_seconds: float
    memory_bytes: int
    processes: int
    database_connections: int | None


@dataclass
class Watched:
    """A server and what was seen of it.

    :param group_file: file that holds its process group; the starter writes it.
    :param database_port: port of its database; None where it has no connections.
    :param container: its container on this machine, where it has one; then there is no C(group_file).
    :param read: takes a moment of what is not on this machine.
    """

    name: str
    group_file: str
    database_port: int | None = None
    container: str = ""
    read: Callable[[Watched, float], None] | None = None
    moments: list[Moment] = field(default_factory=list)
    why_not: str = ""
    _identity: str = ""
    _cpu: dict[Any, float] = field(default_factory=dict)
    _sum: float = 0.0

    def measure(self, at: float, proc: Path = Path("/proc")) -> None:
        """Take a moment. What cannot be seen is kept as the reason, and is no error."""
        if self.read:
            self.read(self, at)
            return
        if self.container:
            try:
                self._identity = self._identity or inspect.identity(self.container)
            except EngineError as error:
                self.why_not = str(error).rstrip(".")
                return
            what, belongs = f"the container {self.container}", partial(_is_in_container, self._identity)
        else:
            try:
                group = int(Path(self.group_file).read_text())
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", error)
                self.why_not = f"the process group in {self.group_file} cannot be read: {why}"
                return
            what, belongs = f"group {group}", partial(_is_in_group, group)
        members = _members(belongs, proc)
        if not members:
            self.why_not = f"no process of {what} is visible here"
            return
        connections = None if self.database_port is None else _connections(set(members), self.database_port, proc)
        self.add(at, members, sum(_memory(process, proc) for process in members), connections)

    def add(self, at: float, members: Mapping[Any, float], memory: int, connections: int | None) -> None:
        """Take a moment of C(members): processes or pods with the CPU seconds that each has used so far."""
        # What was there before counts from the first measurement on; what came later counts whole.
        for member, cpu in members.items():
            before = self._cpu.get(member, cpu if not self.moments else 0.0)
            self._sum += max(cpu - before, 0.0)
        self._cpu = dict(members)
        self.moments.append(Moment(round(at, 2), round(self._sum, 2), memory, len(members), connections))

    def summary(self) -> dict[str, Any]:
        """Peaks and sums over the run, and the moments; or C(why_not)."""
        if not self.moments:
            return {"name": self.name, "measured": False, "why_not": self.why_not or "it was never measured"}
        connections = [one.database_connections for one in self.moments if one.database_connections is not None]
        return {
            "name": self.name,
            "measured": True,
            "cpu_seconds": self.moments[-1].cpu_seconds,
            "memory_peak_bytes": max(one.memory_bytes for one in self.moments),
            "processes_peak": max(one.processes for one in self.moments),
            "database_connections_peak": max(connections) if connections else None,
            "moments": [one.__dict__ for one in self.moments],
        }


class Watch:
    """Measures the servers each second in a thread of its own, between start() and stop()."""

    def __init__(
        self, servers: list[Watched], interval: float = 1.0, measure: Callable[[Watched, float], None] = Watched.measure
    ) -> None:
        self.servers, self.interval, self._measure = servers, interval, measure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._begin = time.monotonic()
        self._thread.start()

    def stop(self) -> list[dict[str, Any]]:
        """:returns: a summary for each server."""
        self._stop.set()
        self._thread.join(10)
        return [server.summary() for server in self.servers]

    def _run(self) -> None:
        while True:
            for server in self.servers:
                self._measure(server, time.monotonic() - self._begin)
            if self._stop.wait(self.interval):
                for server in self.servers:
                    self._measure(server, time.monotonic() - self._begin)
                return


def watched(wanted: list[dict[str, Any]]) -> list[Watched]:
    """Read what a user gave: C(name), C(group_file) or C(container), C(database_port).

    :raises BadInput: a name, or the server itself is missing.
    """
    result = []
    for one in wanted:
        places = [str(one.get(kind) or "") for kind in ("group_file", "container")]
        if not one.get("name") or len(list(filter(None, places))) != 1:
            raise BadInput("Each of servers needs name, and group_file or container.")
        port = one.get("database_port")
        server = Watched(str(one["name"]), places[0], int(port) if port else None, places[1])
        if not sys.platform.startswith("linux"):
            server.why_not = "only Linux tells what other processes take"
        result.append(server)
    return result


def _is_in_group(group: int, _process: Path, words: Sequence[str]) -> bool:
    return int(words[2]) == group


def _is_in_container(identity: str, process: Path, _words: Sequence[str]) -> bool:
    """An engine names the cgroup after the container, whatever the driver and the version of cgroups."""
    return identity in (process / "cgroup").read_text()


def _members(belongs: Callable[[Path, Sequence[str]], bool], proc: Path) -> dict[int, float]:
    """CPU seconds of each process that belongs to a server, with those of its children that have ended."""
    found = {}
    for folder in proc.glob("[0-9]*"):
        try:
            # The name is in brackets and may hold anything, so only what follows it is split.
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            if belongs(folder, words):
                found[int(folder.name)] = sum(int(word) for word in words[11:15]) / _TICK
        except OSError:
            continue  # ended meanwhile
    return found


def _memory(process: int, proc: Path) -> int:
    """Proportional set size in bytes; the resident one where that may not be read."""
    try:
        for line in (proc / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int((proc / str(process) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _connections(processes: set[int], port: int, proc: Path) -> int:
    """Established TCP connections of these processes to that port."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / str(min(processes)) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _ESTABLISHED and int(words[2].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    if not inodes:
        return 0
    count = 0
    for process in processes:
        try:
            links = list((proc / str(process) / "fd").iterdir())
        except OSError:
            continue
        for link in links:
            try:
                count += str(link.readlink()) in inodes
            except OSError:
                continue
    return count
