"""Processes of pods, seen from the host: only where the cluster under test is the one of this folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support.testbed import settings

from .kubectl import Kubectl


def of_pod(pod: dict[str, Any]) -> dict[int, str]:
    """The pod's processes with their command lines, the container's first process before its children."""
    uid = pod["metadata"]["uid"]
    found = {}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            if uid in (folder / "cgroup").read_text():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # ended meanwhile
    return {pid: command for pid, command in found.items() if command != "/pause"}


def need_host_of(cluster: Kubectl) -> None:
    if cluster.kubeconfig != settings.KUBECONFIG or cluster.context != settings.CONTEXT:
        pytest.skip("needs the test cluster of this folder: its pods are processes of this machine")


def kill(pod: dict[str, Any]) -> None:
    """SIGKILL for process 1 of the pod's container."""
    first = next((pid for pid in of_pod(pod) if _pid_inside(pid) == 1), None)
    assert first, f"{pod['metadata']['name']} has no process"
    os.kill(first, signal.SIGKILL)


def _pid_inside(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])
