# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: cratedb_configuration
short_description: Say what a CrateDB in a cluster is started with
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Derives the heap from the memory that a node may use, and the arguments from the number of nodes.
positional: memory_limit, heap, nodes
options:
  _input:
    description: Name of the StatefulSet.
    type: str
    required: true
  memory_limit:
    description: Limit of memory of each node, such as V(2Gi).
    type: str
    required: true
  heap:
    description: Heap of each node, as Java writes it; empty for half of the limit.
    type: str
    default: ''
  nodes:
    description: How many nodes there are, 1 or 3.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Show what a CrateDB with 2 GiB is started with
  ansible.builtin.debug:
    msg: "{{ 'mlflow-database' | mlops.mlflow.cratedb_configuration('2Gi') }}"
"""

RETURN = r"""
_value:
  description: C(heap), C(nodes) and C(arguments); only C(errors), the sentences, where these do not fit.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import cratedb_configuration as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def configuration(name: str, memory_limit: str, heap: str = "", nodes: int | str = 1) -> dict[str, Any]:
    try:
        return engine.compute(name, str(memory_limit), str(heap), int(nodes))
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"cratedb_configuration": configuration}
