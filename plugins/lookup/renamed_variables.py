# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: renamed_variables
short_description: Find variables that are set by an old name
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says of each variable of the host that this collection calls otherwise today what it is called now. Nobody reads
    such a variable any more.
options:
  _terms:
    description: Nothing is needed.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Refuse variables by their old names
  ansible.builtin.assert:
    that: not query('mlops.mlflow.renamed_variables')
    fail_msg: "{{ query('mlops.mlflow.renamed_variables') | join(' ') }}"
    quiet: true
"""

RETURN = r"""
_raw:
  description: One sentence for each variable.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import renamed


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[str]:
        return renamed.errors(variables or {})
