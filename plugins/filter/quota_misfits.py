# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: quota_misfits
short_description: Say where quotas are below what is needed
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Compares the C(hard) of the quotas of a namespace with resource requirements.
positional: needed, namespace
options:
  _input:
    description: What each quota allows, by its name.
    type: dict
    required: true
  needed:
    description: What is needed, as the filter P(mlops.mlflow.resource_requirements#filter) says it.
    type: dict
    required: true
  namespace:
    description: Where the quotas are.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what quotas lack
  ansible.builtin.debug:
    msg: "{{ {'team': {'pods': '4'}} | mlops.mlflow.quota_misfits({'pods': '11'}, 'team-a') }}"
"""

RETURN = r"""
_value:
  description: A sentence with the figures of each gap; empty where there is none.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements


def quota_misfits(quotas: Mapping[str, Mapping[str, Any]], needed: Mapping[str, Any], namespace: str) -> list[str]:
    try:
        return requirements.misfits(quotas, needed, str(namespace))
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"quota_misfits": quota_misfits}
