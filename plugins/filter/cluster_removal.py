# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_removal
short_description: Say what a removal from a cluster took and kept
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Puts what was planned beside what is there afterwards.
positional: present, connections, destination, namespace
options:
  _input:
    description: What M(mlops.mlflow.mlflow_kubernetes_remove) returned in check mode, before anything was removed.
    type: dict
    required: true
  present:
    description: What is there afterwards. Empty or null in check mode.
    type: raw
    required: true
  connections:
    description: Connections of the components. External ones are named as not touched.
    type: list
    elements: dict
    required: true
  destination:
    description: Destination of backups.
    type: str
    required: true
  namespace:
    description: The namespace.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what would be removed
  ansible.builtin.debug:
    msg: "{{ (planned | mlops.mlflow.cluster_removal(none, [], '', 'mlflow')).text }}"
"""

RETURN = r"""
_value:
  description: C(removed), C(kept) and C(outside), lists of names, and C(text), the sentences that say so.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import reports


def cluster_removal(
    planned: Mapping[str, Sequence[str]],
    present: Sequence[str] | None,
    connections: Sequence[Mapping[str, Any]],
    destination: str,
    namespace: str,
) -> dict[str, Any]:
    return reports.removal(planned, present, connections, str(destination), str(namespace))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"cluster_removal": cluster_removal}
