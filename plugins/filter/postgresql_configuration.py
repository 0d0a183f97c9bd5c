# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_configuration
short_description: Write the configuration of a PostgreSQL in a container
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Derives C(postgresql.conf) from the memory that the container may use and the connections that are to be offered.
positional: memory_limit, max_connections, tls
options:
  _input:
    description: Further settings, by name. They win over what is derived.
    type: dict
    required: true
  memory_limit:
    description: The container's limit of memory, such as V(1Gi).
    type: str
    required: true
  max_connections:
    description: Connections that the database offers.
    type: int
    required: true
  tls:
    description: Whether it serves TLS, with certificate and key in C(/run/tls).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the configuration of a database with 1 GiB
  ansible.builtin.debug:
    msg: "{{ {'wal_level': 'replica'} | mlops.mlflow.postgresql_configuration('1Gi', 200) }}"
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import postgresql_configuration as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def configuration(settings: Mapping[str, Any], memory_limit: str, max_connections: int, tls: bool = False) -> str:
    try:
        return engine.text(str(memory_limit), int(max_connections), settings, tls)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"postgresql_configuration": configuration}
