# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test in a Docker Engine: Locust's master and workers are a compose project there, beside those of the servers.

Servers are watched from the engine's machine, where this runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..compose import inspect
from ..compose.client import DockerError
from .distributed import Master, Operate
from .resources import Watch, Watched


@dataclass
class InCompose:
    """A deployment that the container C(container), Locust's master, loads.

    :param operate: carries out operations alongside the servers.
    """

    operate: Operate
    container: str
    servers: list[Watched]
    same_machine: bool = True

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
