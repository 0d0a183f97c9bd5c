# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: command
short_description: The command that runs another playbook on the same deployment
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Repeats what this run was told on its command line (inventory, limit, variables, vault, become), so that a person
    who types what is printed reaches this deployment and no other.
  - Variables that say what one run shall do, such as C(mlflow_upgrade), are left out. Of variables with a secret only
    the name is said.
options:
  _terms:
    description: Names of playbooks of this collection, such as V(health).
    type: list
    elements: str
    required: true
notes:
  - Every further option is a variable that the playbook is told with C(-e).
"""

EXAMPLES = r"""
- name: Say how it is removed
  ansible.builtin.debug:
    msg: "Remove it: {{ lookup('mlops.mlflow.command', 'destroy', mlflow_destroy=true) }}"
"""

RETURN = r"""
_raw:
  description: One command for each name.
  type: list
  elements: str
  sample: ["ansible-playbook -i inventories/local -e mlflow_destroy=true playbooks/destroy.yml"]
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.mlops.mlflow.plugins.plugin_utils.command import called


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[str]:
        how = called(variables or {})
        return [how.command(term, options) for term in terms]
