# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_errors
short_description: Say what is wrong with the names and the number of the instances of a fleet
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Names that occur twice or are none for objects of Kubernetes, a pattern that makes none, and more instances than may be
    without being confirmed. Asks no cluster, so that it is known before anything is changed.
positional: count, pattern, limit, confirmed_count
options:
  _input:
    description: The instances that are listed, each with its C(name).
    type: list
    elements: dict
    required: true
  count:
    description: How many instances the pattern makes.
    type: int
    required: true
  pattern:
    description: Their names, with V(#) for each digit of the number.
    type: str
    required: true
  limit:
    description: More than that must be confirmed.
    type: int
    required: true
  confirmed_count:
    description: The number that is confirmed.
    type: int
    required: true
seealso:
  - plugin: mlops.mlflow.mlflow_fleet
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ [{'name': 'Vision'}] | mlops.mlflow.fleet_errors(200, 'tenant-####', 1000, 0) }}"
"""

RETURN = r"""
_value:
  description: Sentences; empty where nothing is wrong.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any


def fleet_errors(
    listed: Sequence[Mapping[str, Any]], count: Any, pattern: str, limit: Any, confirmed_count: Any
) -> list[str]:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import declaration

    try:
        declaration.names(
            listed, count=int(count), pattern=str(pattern), limit=int(limit), confirmed_count=int(confirmed_count)
        )
    except BadInput as error:
        return [str(error)]
    return []


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"fleet_errors": fleet_errors}
