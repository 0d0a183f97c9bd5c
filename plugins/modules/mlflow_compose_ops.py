#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_ops
short_description: Run mlflow-ops in a container of a deployment
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Runs one command of C(mlflow-ops) in a container beside the servers, where database and artifact store can be seen
    too.
  - Returns what the module of the same name returns - M(mlops.mlflow.mlflow_schema), M(mlops.mlflow.mlflow_health),
    M(mlops.mlflow.mlflow_smoke_test), M(mlops.mlflow.mlflow_info), M(mlops.mlflow.mlflow_gc),
    M(mlops.mlflow.mlflow_schema_info), M(mlops.mlflow.mlflow_trial), M(mlops.mlflow.mlflow_backup),
    M(mlops.mlflow.mlflow_backup_info), M(mlops.mlflow.mlflow_restore).
extends_documentation_fragment:
  - mlops.mlflow.docker
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_compose
attributes:
  check_mode:
    support: full
    details: "In check mode V(schema) and V(gc) only look, and what writes or takes long is not run."
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  project:
    description:
      - Path of the compose file.
    type: path
    required: true
  service:
    description:
      - Service whose networks, mounts and secrets the container gets. Where it is not given, that which may change the
        schema for O(command=schema), else that which operates.
    type: str
  command:
    description:
      - What to do.
    type: str
    choices:
      [schema, schema-info, bucket, health, smoke, info, gc, trial, backup, backup-info, drill, restore]
    required: true
  arguments:
    description:
      - Further arguments of the command, as C(mlflow-ops COMMAND --help) lists them. Never a secret.
    type: list
    elements: str
    default: []
  fail_on_error:
    description:
      - Whether the task fails when the command says that something is wrong.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that the command may take.
    type: float
    default: 300
"""

EXAMPLES = r"""
- name: Check a deployment in depth
  mlops.mlflow.mlflow_compose_ops:
    project: /var/lib/mlflow/server/compose.yaml
    command: health
    arguments: [--level, deep, --url, "http://mlflow-server-1:5000"]
"""

RETURN = r"""
healthy:
  description: Whether all checks held. Further values are those of the module named in the description.
  returned: for O(command=health)
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import runner

_COMMANDS = (
    "schema",
    "schema-info",
    "bucket",
    "health",
    "smoke",
    "info",
    "gc",
    "trial",
    "backup",
    "backup-info",
    "drill",
    "restore",
)
_NOT_IN_CHECK_MODE = ("bucket", "smoke", "trial", "backup", "drill", "restore")


def operate(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    arguments = [params["command"], *params["arguments"]]
    if module.check_mode:
        if params["command"] in _NOT_IN_CHECK_MODE:
            return {"changed": False}
        arguments += ["--check"] if params["command"] in ("schema", "gc") else []
    service = params["service"] or ("schema" if params["command"] == "schema" else "ops")
    found = runner.run_ops(params["project"], service, arguments, params["timeout"])
    failed = bool(found.pop("failed", False))
    if failed and params["fail_on_error"]:
        module.fail_json(**{"msg": "mlflow-ops failed", **found})
    return {"changed": False, **found}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "project": {"type": "path", "required": True},
            "service": {"type": "str"},
            "command": {"type": "str", "choices": list(_COMMANDS), "required": True},
            "arguments": {"type": "list", "elements": "str", "default": []},
            "fail_on_error": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 300.0},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, operate)


if __name__ == "__main__":
    main()
