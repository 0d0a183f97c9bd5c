# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: server_plan
short_description: Plan an MLflow server on a platform
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns settings, connections and what was seen so far into all that templates and tasks of the role
    P(mlops.mlflow.mlflow_server#role) need - launch, ports, URLs, files, places of secrets, validation errors and the
    connection of the server. Asks nothing and changes nothing.
positional: platform, database, store, observed, staged
options:
  _input:
    description: The role's variables without their prefix.
    type: dict
    required: true
  platform:
    description: Where the server runs, such as V(host).
    type: str
    required: true
  database:
    description: Connection of the database.
    type: dict
    required: true
  store:
    description: Connection of the artifact store.
    type: dict
    required: true
  observed:
    description: >-
      By the name of the platform what its module returned, and C(max_connections) of the database. Whatever is not
      known yet is left out.
    type: dict
    default: {}
  staged:
    description: Whether to plan it in the folder C(staged_dir), beside what runs.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the command of a laptop's server
  ansible.builtin.debug:
    msg: "{{ (settings | mlops.mlflow.server_plan('host', database, store)).launch.argv }}"
  vars:
    settings: {profile: light, version: 3.17.2, dir: /srv/mlflow/server, secrets_dir: /srv/mlflow/secrets}
    database: {type: sqlite, uri: 'sqlite:////srv/mlflow/mlflow.db'}
    store: {type: local, uri: /srv/mlflow/artifacts}
"""

RETURN = r"""
_value:
  description: >-
    The plan, with C(launch), C(ports), C(urls), C(files), C(secrets), C(errors) (of the settings), C(misfits) (of what
    was observed), C(connection), C(resources) and a key with the name of the platform.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def server_plan(
    settings: Mapping[str, Any],
    platform: str,
    database: Mapping[str, Any],
    store: Mapping[str, Any],
    observed: Mapping[str, Any] | None = None,
    staged: bool = False,
) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.plan import plan

    # A task that was skipped has seen nothing.
    seen = {
        name: {} if isinstance(found, Mapping) and found.get("skipped") else found
        for name, found in (observed or {}).items()
    }
    try:
        return plan(str(platform), settings, database, store, seen, staged)
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"server_plan": server_plan}
