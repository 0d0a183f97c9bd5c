#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_trial
short_description: Start a server where no client finds it, prove it, and end it again
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Starts what a launch describes on loopback and a free port, waits until it is healthy at level C(full), does a smoke
    run with the real client, and ends it. An upgrade does so before clients may write to the new version.
  - It works on the real database and artifact store. The smoke run leaves what M(mlops.mlflow.mlflow_smoke_test) leaves.
  - The job runner of the profile C(full) is not started.
requirements:
  - mlflow (set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.run_as
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
    details: In check mode nothing is started.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run starts a server and ends it.
options:
  launch:
    description:
      - What the server is started with, as the role P(mlops.mlflow.mlflow_server#role) writes it into C(launch.json).
    type: dict
    required: true
  starter:
    description:
      - The program that starts it, which the role installs beside it.
    type: path
    required: true
  url:
    description:
      - URL of the server once it serves. Scheme and path are the trial's too.
    type: str
    default: http://127.0.0.1:5000
  version:
    description:
      - Version that the server must have.
    type: str
  username:
    description:
      - Administrator, where basic authentication is used.
    type: str
  password_file:
    description:
      - File on the host that holds the password of O(username).
    type: path
  database_uri:
    description:
      - URI of the backend store, whose schema is looked at too.
    type: str
  database_password_file:
    description:
      - File on the host that holds the password of the user in O(database_uri).
    type: path
  wait_timeout:
    description:
      - Seconds in which the server must become healthy.
    type: float
    default: 120
  smoke_test:
    description:
      - Whether the real client works with it.
    type: bool
    default: true
seealso:
  - module: mlops.mlflow.mlflow_health
  - module: mlops.mlflow.mlflow_smoke_test
"""

EXAMPLES = r"""
- name: Try what the server is started with
  mlops.mlflow.mlflow_trial:
    launch: "{{ lookup('ansible.builtin.file', '/var/lib/mlflow/server/launch.json') | from_json }}"
    starter: /var/lib/mlflow/server/starter.py
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
health:
  description: What M(mlops.mlflow.mlflow_health) returns at level C(full).
  returned: success, not in check mode
  type: dict
  sample: {healthy: true, verdict: "healthy at level full: 9 checks in 0.41 s"}
steps:
  description: What M(mlops.mlflow.mlflow_smoke_test) returns. Empty without O(smoke_test).
  returned: success, not in check mode
  type: list
  elements: dict
  sample: [{name: experiment, seconds: 0.05, message: mlops-smoke-2f6d1c0a9b8e}]
seconds:
  description: Seconds from its start until it was healthy.
  returned: success, not in check mode
  type: float
  sample: 6.2
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health, trial
from ansible_collections.mlops.mlflow.plugins.module_utils._module import RUN_AS_ARGS, run, secret_of


def attempt(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    server = Server(
        url=params["url"],
        username=params["username"] or None,
        password=secret_of(module, "password"),
        # The certificate is the name's under which clients reach it, not loopback's.
        validate_certs=False,
        timeout=30.0,
    )
    if module.check_mode:
        return {"changed": False}
    wanted = health.Wanted("full", params["version"], params["database_uri"], secret_of(module, "database_password"))
    tried = trial.run(
        params["launch"],
        params["starter"],
        server,
        wanted,
        seconds=params["wait_timeout"],
        smoke_test=params["smoke_test"],
    )
    return {"changed": False, **tried}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUN_AS_ARGS,
            "launch": {"type": "dict", "required": True},
            "starter": {"type": "path", "required": True},
            "url": {"type": "str", "default": "http://127.0.0.1:5000"},
            "version": {"type": "str"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "database_uri": {"type": "str"},
            "database_password_file": {"type": "path", "no_log": False},
            "wait_timeout": {"type": "float", "default": 120.0},
            "smoke_test": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run(module, attempt)


if __name__ == "__main__":
    main()
