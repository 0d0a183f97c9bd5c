# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: saved_objects
short_description: Keep what servers in a cluster are started with
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Takes of ConfigMap and Deployment what an upgrade applies again when it fails, without what the API server adds.
positional: []
options:
  _input:
    description: Results of M(kubernetes.core.k8s_info), of the ConfigMap and of the Deployment.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how many servers there were
  ansible.builtin.debug:
    msg: "{{ (found.results | mlops.mlflow.saved_objects).replicas }}"
"""

RETURN = r"""
_value:
  description: C(objects), and C(replicas), the number of servers.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import changes


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"saved_objects": changes.saved}
