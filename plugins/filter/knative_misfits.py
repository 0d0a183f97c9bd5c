# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: knative_misfits
short_description: Say why a version of Knative cannot be installed in a cluster
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Compares what is installed with what is requested.
positional: version, existing
options:
  _input:
    description: The namespace C(knative-serving), as a list of M(kubernetes.core.k8s_info) has it; empty where there is none.
    type: list
    elements: dict
    required: true
  version:
    description: That is requested.
    type: str
    required: true
  existing:
    description: Whether somebody else has installed Knative.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Show what is in the way
  ansible.builtin.debug:
    msg: "{{ found.resources | mlops.mlflow.knative_misfits('1.21.0', false) }}"
"""

RETURN = r"""
_value:
  description: Sentences; empty where nothing is in the way.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any


def knative_misfits(found: Sequence[Mapping[str, Any]], version: str, existing: bool) -> list[str]:
    # Ansible loads every filter for one of them.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import knative as engine

    return engine.misfits(found[0] if found else None, str(version), existing)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"knative_misfits": knative_misfits}
