# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: benchmark_files
short_description: List the inventories and playbooks of the targets of a benchmark
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - A target without a playbook is deployed by the one of its name.
positional: playbooks
options:
  _input:
    description: The targets, each with C(name), C(inventory) and optionally C(playbook).
    type: list
    elements: dict
    required: true
  playbooks:
    description: Folder of the playbooks.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which files a benchmark needs
  ansible.builtin.debug:
    msg: "{{ benchmark_targets | mlops.mlflow.benchmark_files('playbooks') }}"
"""

RETURN = r"""
_value:
  description: Paths, each once.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import selection as engine


def benchmark_files(targets: Sequence[Mapping[str, Any]], playbooks: str) -> list[str]:
    return engine.files(targets, playbooks)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"benchmark_files": benchmark_files}
