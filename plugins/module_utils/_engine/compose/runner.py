# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an operation runs on compose: in a container of its own, alongside the servers."""

from __future__ import annotations

import contextlib
import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import certificates, programs, proofs, protocol
from ..errors import NotDeployed
from ..http import answered
from ..progress import Say
from . import inspect
from .client import DockerError, call, compose_command

# Beyond the deadline that the operation itself keeps: the engine starts and removes a container.
_GRACE_SECONDS = 60.0


@dataclass(frozen=True)
class ComposeRunner:
    """A runner alongside the servers of a deployment.

    :param project: path of the servers' compose file.
    :param address: where clients find the servers.
    :param image: what operations run instead of the image of their service; empty for that one.
    """

    name: str
    project: str
    address: str = ""
    image: str = ""

    def require(self) -> None:
        if not Path(self.project).is_file():
            raise NotDeployed(f"There is no compose file {self.project}: nothing of {self.name} was set up for this.")

    def run(self, request: protocol.Request, say: Say) -> dict[str, Any]:
        self.require()
        service = protocol.OPERATIONS[request.operation].identity
        name = f"mlflow-ops-{uuid.uuid4().hex[:12]}"
        run = ["--profile=ops", "run", "--rm", "--no-deps", "--no-TTY", f"--name={name}", service]
        seconds = (request.deadline or 86400.0) + _GRACE_SECONDS
        with self._changed(service) as changes:
            argv, env = compose_command(self.project, *changes, *run, "run", "--while-connected")
            try:
                said = programs.ask(argv, request.line(), seconds=seconds, say=say, env=env)
            finally:
                # Gone already, unless the client was ended: then the container goes on.
                call("rm", "--force", "--volumes", name, check=False)
        return protocol.result_of(said, request.id)

    @contextlib.contextmanager
    def _changed(self, service: str) -> Iterator[list[str]]:
        """What another image adds to the command: a second file, which is there meanwhile."""
        if not self.image:
            yield []
            return
        with tempfile.NamedTemporaryFile("w", prefix="mlops-image-", suffix=".json") as file:
            json.dump({"services": {service: {"image": self.image}}}, file)
            file.flush()
            yield [f"--file={file.name}"]

    def asleep(self) -> str:
        return ""

    def workload(self) -> str:
        if problem := inspect.engine_state(call("version", "--format", "{{json .}}", check=False))["problem"]:
            raise DockerError(problem)
        found = inspect.containers(self.name)
        if not found:
            raise DockerError(f"there is no container of {self.name}")
        # What is cut off becomes unhealthy after a while: that it is cut off is the reason, and comes first.
        wrong = [f"{one['name']} is cut off" for one in found if not one["networks"]]
        wrong += [f"{one['name']} is {one['problem']}" for one in found if one["networks"] and one["problem"]]
        if wrong:
            raise DockerError("; ".join(wrong))
        return "; ".join(f"{one['name']}: {', '.join(filter(None, [one['state'], one['health']]))}" for one in found)

    def published(self) -> str:
        return answered(self.address)

    def certificates(self) -> Mapping[str, str]:
        return certificates.served(self.address)

    def serving(self) -> str:
        # A container is replaced where its image or configuration changes; secrets it only reads.
        servers = [str(one["id"]) for one in inspect.containers(self.name, "server")]
        files = [path for place in ("configuration", "secrets/server") for path in (self._folder / place).glob("*")]
        return proofs.fingerprint(sorted(servers), sorted(files)) if servers else ""

    def proven(self) -> str:
        return proofs.read(self._folder)

    def note_proven(self, fingerprint: str) -> None:
        proofs.note(self._folder, fingerprint)

    @property
    def _folder(self) -> Path:
        return Path(self.project).parent
