"""Operations that are cut off at some moment, by way of a host's or a compose deployment's runner."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol

from .compose.engine import docker
from .playbooks import REPOSITORY
from .processes import has_ended, until

WAYS = ("kill the client", "interrupt the client", "kill the operation", "deadline")
_PATIENCE = 180
# Who asks: what a module does. Its standard output is the result.
_CLIENT = """
import json, sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.client import use
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.runner import ComposeRunner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host.runner import HostRunner
where = json.loads(sys.argv[1])
if host := where.pop("docker_host", ""):
    use(host)
runner = ComposeRunner(**where) if host else HostRunner(**where)
try:
    found = runner.run(protocol.Request.parse(sys.argv[2]), lambda text: None)
except EngineError as error:
    found = {"failed": True, "msg": str(error)}
print(json.dumps(found))
"""


class Place(Protocol):
    """Where operations run, and what can be seen of them."""

    def begin(self, request: protocol.Request) -> subprocess.Popen[str]: ...

    def running(self) -> list[str]:
        """What runs there now of operations, and of what they have started."""

    def kill(self, found: list[str]) -> None: ...


def _client(where: dict[str, Any], request: protocol.Request, env: dict[str, str]) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _CLIENT, json.dumps(where), request.line()]
    env = {"PYTHONPATH": str(REPOSITORY / ".dev"), **env}
    return subprocess.Popen(arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class OnHost:
    """C(home) holds everything of the deployment: a process is known by this path in its words or its environment."""

    python: Path
    home: Path

    def begin(self, request: protocol.Request) -> subprocess.Popen[str]:
        # Of the client's environment the runner hands on this.
        where = {"name": "small", "directory": "/nowhere", "python": str(self.python)}
        return _client(where, request, {"PATH": os.defpath, "TMPDIR": str(self.home)})

    def running(self) -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                asked = (process / "cmdline").read_bytes()
                ours = os.fsencode(self.home) in asked + (process / "environ").read_bytes()
                if ours and _CLIENT.encode() not in asked and not has_ended(int(process.name)):
                    found.append(process.name)
        return found

    def kill(self, found: list[str]) -> None:
        for process in found:
            with contextlib.suppress(ProcessLookupError):  # one of them ended its child, or itself
                os.kill(int(process), signal.SIGKILL)


@dataclass(frozen=True)
class OnCompose:
    """A deployment's project, of which a service carries operations out."""

    name: str
    project: str
    docker_host: str

    def begin(self, request: protocol.Request) -> subprocess.Popen[str]:
        where = {"name": self.name, "project": self.project, "docker_host": self.docker_host}
        return _client(where, request, dict(os.environ))

    def running(self) -> list[str]:
        ours = ("--filter=name=mlflow-ops-", f"--filter=label=mlops.mlflow.deployment={self.name}")
        return docker("ps", "--all", "--quiet", *ours).split()

    def kill(self, found: list[str]) -> None:
        if found:
            docker("kill", *found, check=False)


def carried_out(place: Place, request: protocol.Request) -> dict[str, Any]:
    """What an operation found that nobody cuts off."""
    client = place.begin(request)
    said, log = client.communicate(timeout=600)
    assert client.returncode == 0, said + log
    return dict(json.loads(said))


def cut_off(place: Place, request: protocol.Request, way: str, seconds: float) -> str:
    """Begin an operation, and cut it off so many seconds after it was seen. Returns what the client said, if it could.

    When this returns, nothing of it runs.
    """
    client = place.begin(replace(request, deadline=seconds) if way == "deadline" else request)
    until(lambda: place.running() or client.poll() is not None, "it did not begin", _PATIENCE)
    if way != "deadline":
        time.sleep(seconds)
    with_signal = {"kill the client": signal.SIGKILL, "interrupt the client": signal.SIGINT}
    if way in with_signal:
        client.send_signal(with_signal[way])
    elif way == "kill the operation":
        place.kill(place.running())
    said, _log = client.communicate(timeout=_PATIENCE)
    until(lambda: not place.running(), f"after '{way}' the operation runs on", _PATIENCE)
    return said
