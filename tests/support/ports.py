"""Processes of this machine: who listens on a port, who works in a folder."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

# Where nobody listens, and never will: below the ports that are given out. A free one is somebody's a moment later.
NOBODYS_PORT = 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listeners(port: int) -> set[int]:
    """The processes that hold a listening socket on this port."""
    if sys.platform != "linux":
        return {int(line) for line in _lines("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN")}
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    return {process for process in _processes() if inodes & _open_files(process)}


def working_in(folder: Path) -> dict[int, str]:
    """The processes whose working folder this is, with their command lines."""
    found = {}
    if sys.platform != "linux":
        pids = _lines("lsof", "-t", "-a", "-d", "cwd", str(folder))
        return {int(pid): " ".join(_lines("ps", "-ww", "-o", "args=", "-p", pid)) for pid in pids}
    for process in _processes():
        try:
            if Path(f"/proc/{process}/cwd").readlink() == folder:
                found[process] = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # ended meanwhile, or another user's
    return {process: command for process, command in found.items() if command}


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _open_files(process: int) -> set[str]:
    found = set()
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                found.add(str(link.readlink()))
            except OSError:
                continue
    except OSError:
        pass
    return found
