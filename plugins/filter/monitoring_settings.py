# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: monitoring_settings
short_description: Compute what the exporter of a deployment is told
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes the settings of C(mlflow-ops export) from the variables of the role P(mlops.mlflow.mlflow_monitoring#role) and the
    connections of what it measures.
positional: database, store, server, backup, platform
options:
  _input:
    description: The variables of the role without its prefix.
    type: dict
    required: true
  database:
    description: Connection of the database.
    type: dict
    required: true
  store:
    description: Connection of the artifact store.
    type: dict
    required: true
  server:
    description: Connection of the server.
    type: dict
    required: true
  backup:
    description: Connection of the backups; empty where there are none.
    type: dict
    required: true
  platform:
    description: The platform.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the exporter is told
  ansible.builtin.debug:
    msg: "{{ (options | mlops.mlflow.monitoring_settings(database, store, server, {}, 'host')).settings }}"
"""

RETURN = r"""
_value:
  description:
    - C(settings) as C(mlflow-ops export) takes them where it runs; C(copies), the files that its container finds below
      C(/run/secrets); C(env), C(env_of_pod), C(env_of_unit) and C(env_of_program), its environment; C(trusted), whom it
      trusts; C(binds), C(mounts) and C(volumes), what it mounts; C(target), the address at which Prometheus on the same
      host finds it.
    - With wrong options only C(errors), the sentences.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def monitoring_settings(
    options: Mapping[str, Any],
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    server: Mapping[str, Any],
    backup: Mapping[str, Any],
    platform: str,
) -> dict[str, Any]:
    # Ansible loads all filters for one of them.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine import monitoring_settings as engine

    try:
        return engine.compute(options, database, store, server, backup, platform).as_dict()
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"monitoring_settings": monitoring_settings}
