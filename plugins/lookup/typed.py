# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: typed
short_description: A message with the commands that it advises as they are typed here
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Whoever writes a message does not know how the playbook was called. Writes each command of a playbook of this
    collection as P(mlops.mlflow.command#lookup) says it.
options:
  _terms:
    description: Messages.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say why it cannot be done
  ansible.builtin.debug:
    msg: "{{ query('mlops.mlflow.typed', *errors) }}"
"""

RETURN = r"""
_raw:
  description: The messages.
  type: list
  elements: str
  sample: ["Upgrade it: ansible-playbook -i inventories/mine playbooks/upgrade.yml"]
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.mlops.mlflow.plugins.plugin_utils.command import called


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **_options: Any) -> list[str]:
        how = called(variables or {})
        return [how.typed(term) for term in terms]
