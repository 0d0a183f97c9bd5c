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
  - mlflow (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_runner
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
      - One of O(launch) and O(launch_file) is required.
    type: dict
  launch_file:
    description:
      - File where the trial runs that holds it, such as C(/etc/mlflow/launch.json) in a container.
    type: path
  starter:
    description:
      - The program that starts it, which the role installs beside it. Images have their own.
      - Required without O(runner).
    type: path
  url:
    description:
      - URL of the server once it serves, V(http://127.0.0.1:5000) where it is not given. Scheme and path are the trial's
        too.
    type: str
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
  deadline:
    description:
      - Seconds after which it ends itself, unfinished.
    type: float
    default: 3600.0
seealso:
  - module: mlops.mlflow.mlflow_health
  - module: mlops.mlflow.mlflow_smoke_test
"""

EXAMPLES = r"""
- name: Try what the server is started with
  mlops.mlflow.mlflow_trial:
    runner: "{{ mlflow_server_connection.runner }}"
    launch_file: "{{ mlflow_server_connection.workload.launch_file }}"
    starter: "{{ mlflow_server_connection.workload.starter }}"

- name: Try it in a container, as the compose file says
  mlops.mlflow.mlflow_trial:
    runner: "{{ mlflow_server_connection.runner }}"
    launch_file: /etc/mlflow/launch.json
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
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out

_OPTIONS = (
    "launch",
    "launch_file",
    "starter",
    "version",
    "database_uri",
    "database_password_file",
    "wait_timeout",
    "smoke_test",
)


def attempt(module: AnsibleModule) -> dict[str, Any]:
    if module.check_mode:
        return {"changed": False}
    options = {name: module.params[name] for name in _OPTIONS}
    return {"changed": False, **carry_out(module, "trial", options, deadline=module.params["deadline"])}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUNNER_ARGS,
            "launch": {"type": "dict"},
            "launch_file": {"type": "path"},
            "starter": {"type": "path"},
            "url": {"type": "str"},
            "version": {"type": "str"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "database_uri": {"type": "str"},
            "database_password_file": {"type": "path", "no_log": False},
            "wait_timeout": {"type": "float", "default": 120.0},
            "smoke_test": {"type": "bool", "default": True},
            "deadline": {"type": "float", "default": 3600.0},
        },
        mutually_exclusive=[("launch", "launch_file")],
        required_one_of=[("launch", "launch_file"), ("runner", "starter")],
        supports_check_mode=True,
    )
    run(module, attempt)


if __name__ == "__main__":
    main()
