# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: how its modules reach Azure. Matches the doc fragment azure."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ._engine.azure.client import Arm, asking
from ._module import logging_to

AZURE_ARGS: dict[str, Any] = {
    "endpoint_url": {"type": "str", "fallback": (env_fallback, ["AZURE_RESOURCE_MANAGER_ENDPOINT"])},
}


def arm_of(module: AnsibleModule) -> Arm:
    """Azure Resource Manager, asked by whom the environment says."""
    params = module.params
    seconds = params.get("wait_timeout") or 600.0
    return asking(params["endpoint_url"] or "", seconds, logging_to(params.get("progress_file")))
