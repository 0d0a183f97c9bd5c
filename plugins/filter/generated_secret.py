# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: generated_secret
short_description: Make a new secret
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Another one at each call, of letters and digits, in the form that the program wants which reads it.
positional: []
options:
  _input:
    description: The name of its file or key, such as V(webhook-key).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Generate a key where there is none
  ansible.builtin.copy:
    dest: /var/lib/mlflow/secrets/webhook-key
    content: "{{ 'webhook-key' | mlops.mlflow.generated_secret }}"
    mode: "0600"
    force: false
  no_log: true
"""

RETURN = r"""
_value:
  description: The secret.
  type: str
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.secrets import generate


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"generated_secret": generate}
