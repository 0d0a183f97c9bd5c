# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: load_servers
short_description: List the servers that are measured during a load test
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Those in containers are named by their connection; others are found by their folders.
positional: folders, database_port
options:
  _input:
    description: Connection of the server.
    type: dict
    required: true
  folders:
    description: Folders of servers on the same host, by name.
    type: dict
    required: true
  database_port:
    description: Port of the database; 0 where there is none to count connections of.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show what is measured
  ansible.builtin.debug:
    msg: "{{ mlflow_server_connection | mlops.mlflow.load_servers({'mlflow': '/var/lib/mlflow/server'}, 0) }}"
"""

RETURN = r"""
_value:
  description: The option O(mlops.mlflow.mlflow_load_test#module:servers).
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import selection


def load_servers(connection: Mapping[str, Any], folders: Mapping[str, str], database_port: int) -> list[dict[str, Any]]:
    return selection.watched(connection, folders, int(database_port))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"load_servers": load_servers}
