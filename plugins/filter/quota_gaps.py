# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: quota_gaps
short_description: Say where a quota is below what is needed
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Compares the C(hard) of a ResourceQuota with resource requirements.
positional: needed
options:
  _input:
    description: What the quota allows.
    type: dict
    required: true
  needed:
    description: What is needed, as the filter P(mlops.mlflow.resource_requirements#filter) says it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a quota lacks
  ansible.builtin.debug:
    msg: "{{ {'pods': '4'} | mlops.mlflow.quota_gaps({'pods': '11'}) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each gap, with both figures.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements


def quota_gaps(hard: Mapping[str, Any], needed: Mapping[str, Any]) -> list[str]:
    try:
        return requirements.too_small(hard, needed)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"quota_gaps": quota_gaps}
