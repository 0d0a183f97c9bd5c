# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: load_plan
short_description: Say what a load test from beside the servers is to do
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Checks the settings for a load test, and makes of them what Locust's master and workers are started with. Anything that
    cannot work is refused here, before an object exists.
positional: url, username, allowed, capabilities, password_file, validate_certs, ca_path
options:
  _input:
    description: Settings, named as the options of M(mlops.mlflow.mlflow_load_test), with C(run), its name.
    type: dict
    required: true
  url:
    description: Where the server is, seen from where Locust runs.
    type: str
    required: true
  username:
    description: User for basic authentication. Empty for none.
    type: str
    required: true
  allowed:
    description: Whether it may be loaded.
    type: bool
    required: true
  capabilities:
    description: What the server says of itself, as M(mlops.mlflow.mlflow_info) returns it.
    type: dict
    required: true
  password_file:
    description: Where the containers find the password. Empty for their environment.
    type: str
    default: ""
  validate_certs:
    description: Whether the server's certificate must be valid.
    type: bool
    default: true
  ca_path:
    description: Where the containers find whom to trust. Empty for public authorities.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what Locust would be told
  ansible.builtin.debug:
    msg: "{{ settings | mlops.mlflow.load_plan('http://mlflow.mlflow.svc:5000', '', true, {}) }}"
  vars:
    settings: {users: 50, run: mlops-load-abc}
"""

RETURN = r"""
_value:
  description:
    - C(plan) (text of the file), C(master) and C(worker) (arguments), C(workers) (how many) and C(run).
    - With wrong settings only C(errors), the sentences.
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def load_plan(
    settings: Mapping[str, Any],
    url: str,
    username: str,
    allowed: bool,
    capabilities: Mapping[str, Any],
    password_file: str = "",
    validate_certs: bool = True,
    ca_path: str = "",
) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import distributed

    try:
        return distributed.plan(settings, url, username, allowed, capabilities, password_file, validate_certs, ca_path)
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"load_plan": load_plan}
