# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: resource_requirements
short_description: Say what Kubernetes manifests take of a cluster at their most
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Counts pods, requests, limits and volumes with the autoscaler at its maximum and a roll-out under way, in the words
    of a ResourceQuota.
  - Elements that are resource requirements themselves are added up.
positional: []
options:
  _input:
    description: Manifests, or resource requirements.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a deployment takes
  ansible.builtin.debug:
    msg: "{{ [{'pods': '2', 'requests.cpu': '500m'}, {'pods': '1'}] | mlops.mlflow.resource_requirements }}"
"""

RETURN = r"""
_value:
  description: Keys and values of a ResourceQuota's C(hard).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import requirements as engine


def resource_requirements(items: list[Mapping[str, Any]]) -> dict[str, str]:
    try:
        rendered = [item for item in items if "kind" in item]
        return engine.add([engine.of(rendered), *(item for item in items if "kind" not in item)])
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"resource_requirements": resource_requirements}
