# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an operation runs on compose: in a container of its own, alongside the servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import protocol
from ..errors import EngineError
from .client import DockerError, call, last_line


def run_ops(project: str, service: str, arguments: Sequence[str], timeout: float) -> dict[str, Any]:
    """Run mlflow-ops in a container of its own, with the networks and secrets of a service; returns what it says.

    :param project: path of the compose file.
    """
    argv = ["compose", "--file", project, "--profile", "ops", "run", "--rm", "--no-deps", "--no-TTY", service]
    done = call(*argv, *arguments, timeout=timeout, check=False)
    try:
        return protocol.result_of(done.stdout)
    except EngineError as error:
        if words := last_line(done.stderr):
            raise DockerError(f"{error} docker said: {words}") from error
        raise
