# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: quantity
short_description: Read a Kubernetes quantity
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns C(500m), C(2) or C(1Gi) into a number of cores, bytes or things.
positional: []
options:
  _input:
    description: The quantity.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show the bytes of a limit
  ansible.builtin.debug:
    msg: "{{ '1Gi' | mlops.mlflow.quantity | int }}"
"""

RETURN = r"""
_value:
  description: The number.
  type: float
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements


def quantity(value: Any) -> float:
    try:
        return float(requirements.quantity(value))
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"quantity": quantity}
