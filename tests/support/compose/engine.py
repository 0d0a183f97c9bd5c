"""The Docker Engine under test, seen through its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any


def docker(*arguments: str, check: bool = True) -> str:
    """What docker says on either stream: refusals are part of what is tested."""
    done = subprocess.run(
        ["docker", *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}"
    return done.stdout


def inspect(name: str) -> dict[str, Any]:
    return dict(json.loads(docker("inspect", name))[0])


def is_healthy(name: str) -> bool:
    state = inspect(name)["State"]
    return state["Status"] == "running" and state["Health"]["Status"] == "healthy"


def kill_all(name: str) -> None:
    """SIGKILL for process 1 of a container, and with it for all of them: as when memory ran out."""
    os.kill(inspect(name)["State"]["Pid"], signal.SIGKILL)


def everything(name: str) -> dict[str, set[str]]:
    """All that an engine holds, but for what belongs to other deployments than C(name)."""
    label = '{{.Label "mlops.mlflow.deployment"}}'
    listed = {
        "containers": docker("ps", "--all", f"--format={{{{.Names}}}} {label}"),
        "networks": docker("network", "ls", f"--format={{{{.Name}}}} {label}"),
        "volumes": docker("volume", "ls", f"--format={{{{.Name}}}} {label}"),
    }
    words = {kind: [line.partition(" ") for line in text.splitlines()] for kind, text in listed.items()}
    return {kind: {own for own, _, owner in found if owner.strip() in ("", name)} for kind, found in words.items()}
