# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: launch
short_description: Compute what an MLflow server is started with
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns what is wanted (profile, connections, hosts, authentication) into C(argv), C(env), C(secrets) and C(jobs).
    Every platform's templates take them from here.
positional: []
options:
  _input:
    description: The intent; see the role P(mlops.mlflow.mlflow_server#role) for its keys.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the command of a laptop's server
  ansible.builtin.debug:
    msg: "{{ ({'profile': 'light', 'database': database, 'artifact_store': store} | mlops.mlflow.launch).argv }}"
  vars:
    database: {type: sqlite, uri: 'sqlite:////tmp/mlflow.db'}
    store: {type: local, uri: /tmp/artifacts}
"""

RETURN = r"""
_value:
  description: The launch, with C(argv) (list), C(env) (dict), C(secrets) (where each lies) and C(jobs) (or none).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.launch import compute


def launch(intent: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return compute(intent).as_dict()
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"launch": launch}
