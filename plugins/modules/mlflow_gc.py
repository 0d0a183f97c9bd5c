#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_gc
short_description: Remove for good what users deleted
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Deleting an experiment, a run or a logged model only marks it. This module lets C(mlflow gc) remove what was deleted
    long enough ago, with metrics, params, tags, traces and artifacts.
  - Looks at the database and at the places of the artifacts afterwards, and fails when something is still there.
    C(mlflow gc) itself ends well when a store refuses to delete files.
  - The server must run, because artifacts are reached through it. It goes on serving.
requirements:
  - mlflow and the database's driver (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.runner
  - mlops.mlflow.progress
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_operations
attributes:
  check_mode:
    support: full
    details: In check mode it says what it would remove.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  database_uri:
    description:
      - SQLAlchemy URI of the backend store that the server at O(url) has, with a driver and without a password.
      - The role needs no right to change the schema.
      - Required without O(runner).
    type: str
  database_password_file:
    description:
      - File on the host that holds the password of the user in O(database_uri).
    type: path
  older_than:
    description:
      - How long ago it must have been deleted, in days, hours, minutes and seconds, such as V(30d) or V(1d12h).
    type: str
    default: 30d
  artifacts:
    description:
      - Folder that holds the artifacts, where they are files. What cut-off uploads left there is removed, too.
    type: path
  timeout:
    description:
      - Seconds that each request may take. The server removes all artifacts of a run in one.
    type: float
    default: 120.0
  deadline:
    description:
      - Seconds after which it ends itself, unfinished. What was removed until then stays removed.
    type: float
    default: 86400.0
seealso:
  - module: mlops.mlflow.mlflow_backup
"""

EXAMPLES = r"""
- name: Remove what was deleted more than 30 days ago
  mlops.mlflow.mlflow_gc:
    url: http://127.0.0.1:5000
    database_uri: sqlite:////var/lib/mlflow/database/mlflow.db
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Remove it from a deployment of any platform
  mlops.mlflow.mlflow_gc:
    runner: "{{ mlflow_server_connection.runner }}"

- name: Report what would be removed
  mlops.mlflow.mlflow_gc:
    url: https://mlflow.example.com
    username: admin
    password_file: /etc/mlflow/admin-password
    database_uri: postgresql+psycopg://mlflow@db.example.com:5432/mlflow
    database_password_file: /etc/mlflow/database-password
    older_than: 7d
  check_mode: true
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
before:
  description:
    - How many C(experiments), C(runs) and C(logged_models) were old enough, with the rows of C(metrics), C(params),
      C(tags) and C(traces) that go with them.
  returned: always
  type: dict
  sample: {experiments: 1, runs: 30, logged_models: 2, metrics: 6000, params: 60, tags: 90, traces: 0}
after:
  description: How many of those are still there.
  returned: not in check mode
  type: dict
  sample: {experiments: 0, runs: 0, logged_models: 0, metrics: 0, params: 0, tags: 0, traces: 0}
waiting:
  description: How many C(experiments), C(runs) and C(logged_models) were deleted later, and stay for now.
  returned: always
  type: dict
  sample: {experiments: 0, runs: 4, logged_models: 0}
items:
  description:
    - What was removed, in check mode what would be. Runs and logged models of an experiment go with it.
  returned: always
  type: list
  elements: dict
  sample: [{kind: runs, id: 3f0c5a7c2b8e4d0f9a6b1c2d3e4f5a6b, name: bold-crow-12, experiment_id: "4"}]
uploads:
  description:
    - How many uploads were removed, in check mode would be, that a kill had cut off more than a day ago. They have hidden files in
      the artifacts' folder, which nobody sees.
  returned: where artifacts are in a folder that the deployment's O(runner) names, or O(artifacts)
  type: int
  sample: 0
model_versions:
  description: Registered model versions that have their files in what is removed, and are of no use afterwards.
  returned: always
  type: list
  elements: str
  sample: [churn version 3]
left:
  description: Where files are that should have been removed. No later run looks for them.
  returned: not in check mode
  type: list
  elements: str
  sample: []
orphaned:
  description:
    - Where files are that C(mlflow gc) never removes - those of traces, and of runs and logged models that nobody
      deleted, in an experiment that was removed. This is no failure.
  returned: not in check mode
  type: list
  elements: str
  sample: [mlflow-artifacts:/4/traces]
problems:
  description: What went wrong. The task fails when there is something.
  returned: not in check mode
  type: list
  elements: str
  sample: []
seconds:
  description: How long it took.
  returned: not in check mode
  type: float
  sample: 7.4
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import (
    PROGRESS_ARGS,
    SERVER_ARGS,
    SERVER_EXCLUSIVE,
    SERVER_TOGETHER,
    logging_to,
    run,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out


def remove(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    options = {name: params[name] for name in ("database_uri", "database_password_file", "artifacts", "older_than")}
    result = carry_out(module, "gc", options, deadline=params["deadline"], say=logging_to(params["progress_file"]))
    if result.pop("failed", False):
        module.fail_json(**result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SERVER_ARGS,
            **RUNNER_ARGS,
            "database_uri": {"type": "str"},
            "database_password_file": {"type": "path", "no_log": False},
            "artifacts": {"type": "path"},
            "older_than": {"type": "str", "default": "30d"},
            "timeout": {"type": "float", "default": 120.0},
            "deadline": {"type": "float", "default": 86400.0},
            **PROGRESS_ARGS,
        },
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=SERVER_TOGETHER,
        supports_check_mode=True,
    )
    run(module, remove)


if __name__ == "__main__":
    main()
