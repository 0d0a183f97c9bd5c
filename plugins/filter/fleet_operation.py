# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_operation
short_description: Compute what an operation on a fleet is told
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes the options of an operation on the sample of a fleet from the variables of
    the role C(mlflow_fleet) and the sample's connections.
positional: operation, database, server, backup
options:
  _input:
    description: The variables of the role without its prefix.
    type: dict
    required: true
  operation:
    description: One of V(backup), V(databases), V(health), V(schema).
    type: str
    required: true
  database:
    description: Connection of the database.
    type: dict
    required: true
  server:
    description: Connection of the server.
    type: dict
    required: true
  backup:
    description: Connection of the snapshots; empty where the operation needs none.
    type: dict
    required: true
seealso:
  - plugin: mlops.mlflow.mlflow_fleet_operation
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show what a check of the health is told
  ansible.builtin.debug:
    msg: "{{ ({'health_level': 'deep'} | mlops.mlflow.fleet_operation('health', {}, server, {})).options }}"
"""

RETURN = r"""
_value:
  description:
    - C(options) of the operation; C(env), the environment of who makes databases; and C(secrets), the keys of the Secrets
      that each instance gets for its database.
    - Where it could not be carried out so, C(errors), the sentences, and the others are empty.
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def fleet_operation(
    variables: Mapping[str, Any],
    operation: str,
    database: Mapping[str, Any],
    server: Mapping[str, Any],
    backup: Mapping[str, Any],
) -> dict[str, Any]:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import settings

    try:
        return {"errors": [], **settings.compute(variables, operation, database, server, backup).as_dict()}
    except EngineError as error:
        return {"errors": [str(error)], **settings.Settings().as_dict()}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"fleet_operation": fleet_operation}
