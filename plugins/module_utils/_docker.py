# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: what modules for a Docker Engine share. Matches the doc fragment docker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine.compose import client
from ._module import run

DOCKER_ARGS: dict[str, Any] = {"docker_host": {"type": "str", "default": ""}}


def run_with_docker(module: AnsibleModule, action: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Run a module's action with the engine that it names."""
    client.use(module.params["docker_host"])
    run(module, action)
