# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: backup_settings
short_description: Compute what a backup is told
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes the settings of a backup from the variables of the role P(mlops.mlflow.mlflow_backup#role) and the connections
    of what it backs up.
positional: database, store, server, platform
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
  platform:
    description: The platform.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what a backup is told
  ansible.builtin.debug:
    msg: "{{ (options | mlops.mlflow.backup_settings(database, store, server, 'host')).settings }}"
"""

RETURN = r"""
_value:
  description:
    - C(settings) as C(mlflow-ops) takes them; C(inside), the same for a container; C(copies), the files that it finds
      below C(/run/secrets); C(places), environment from Secrets of a cluster; C(mounted), the sources of their volume; C(trusted), whom it trusts; and
      C(env), what tells it so.
    - With wrong options only C(errors), the sentences.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine import backup_settings as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def backup_settings(
    options: Mapping[str, Any],
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    server: Mapping[str, Any],
    platform: str,
) -> dict[str, Any]:
    try:
        return engine.compute(options, database, store, server, platform).as_dict()
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"backup_settings": backup_settings}
