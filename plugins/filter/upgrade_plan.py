# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_plan
short_description: Say what an upgrade would do
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Puts what is deployed, what is requested, and the schema of the databases into one plan. Asks nothing and changes
    nothing.
positional: deployed, connection, name, unknown_allowed
options:
  _input:
    description: What M(mlops.mlflow.mlflow_schema_info) returned; empty where it could not be asked.
    type: dict
    required: true
  deployed:
    description: The version that is deployed, empty for none.
    type: str
    required: true
  connection:
    description: Connection of the server, with the version that is requested.
    type: dict
    required: true
  name:
    description: What people call the deployment.
    type: str
    required: true
  unknown_allowed:
    description: Whether migrations may be run that nobody has read yet.
    type: bool
    default: false
  reserved:
    description: What M(mlops.mlflow.mlflow_reservation) returned, of who is at work on the data.
    type: dict
    default: {}
  continued:
    description: The id of an upgrade that was cut off on another controller, and is to be continued.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what an upgrade would do
  ansible.builtin.debug:
    msg: "{{ (schema | mlops.mlflow.upgrade_plan('3.16.0', mlflow_server_connection, inventory_hostname)).lines }}"
"""

RETURN = r"""
_value:
  description: >-
    C(from), C(to), C(schema), whether it is C(needed) and C(migrates), C(errors), sentences why it cannot be,
    C(lines), which say what it does, and C(way_back), what the playbook restore takes besides the snapshot. Of an upgrade that was cut off C(continues),
    C(snapshot) and C(started).
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import upgrade


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"upgrade_plan": upgrade.plan}
