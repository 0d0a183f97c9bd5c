# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: how its modules follow a load test whose Locust runs beside the servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine.load import distributed
from ._runner import RUNNER_ARGS, in_deployment

LOAD_ARGS: dict[str, Any] = {
    "runner": {**RUNNER_ARGS["runner"], "required": True},
    "url": {"type": "str", "required": True},
    "settings": {"type": "dict", "required": True},
    "report_dir": {"type": "path", "required": True},
    "start_timeout": {"type": "float", "default": 300.0},
    "run_time": {"type": "float", "default": 60.0},
}


def operating(module: AnsibleModule) -> distributed.Operate:
    """What carries out operations where the module's runner says."""
    return lambda operation, options, deadline: in_deployment(module, operation, options, deadline=deadline)


def followed(module: AnsibleModule, place: Callable[[], distributed.Place]) -> dict[str, Any]:
    """What such a module returns."""
    params = module.params
    if module.check_mode:
        return {"changed": True}
    folder = Path(params["report_dir"])
    result = distributed.follow(place(), params["settings"], params["url"], folder, params["start_timeout"])
    return distributed.returned(result, folder)
