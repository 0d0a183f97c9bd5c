# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test in a Docker Engine: Locust's master and workers are a compose project there, beside those of the servers.

Servers are watched from the engine's machine, where this runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..compose import inspect, runner
from ..compose.client import DockerError
from .distributed import Master
from .resources import Watch, Watched


@dataclass
class InCompose:
    """A deployment that the container C(container), Locust's master, loads.

    :param project: path of the servers' compose file. :param login: how C(mlflow-ops) beside the servers logs in.
    """

    project: str
    container: str
    servers: list[Watched]
    login: Sequence[str] = ()
    same_machine: bool = True

    def ops(self, command: Sequence[str], timeout: float) -> dict[str, Any]:
        return runner.run_ops(self.project, "ops", [*command, *self.login], timeout)

    def master(self) -> Master:
        # Before the log: what the master says last is in it then.
        if not (found := inspect.find(self.container)):
            raise DockerError(f"The container {self.container} was removed while it was followed.")
        ended = found["state"] in ("exited", "dead")
        # Who is killed for its memory has no last words.
        lines = inspect.log(self.container) + [f"the container: {found['problem']}"] * ended
        return Master(lines, found["state"] != "created", ended)

    def watch(self) -> Watch:
        return Watch(self.servers)

    def warnings(self) -> str:
        return f"See docker inspect {self.container}."
