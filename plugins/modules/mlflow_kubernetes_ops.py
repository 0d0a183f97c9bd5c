#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_ops
short_description: Run mlflow-ops in a pod of a deployment
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Checks health, proves the server with the real client, reads what it holds, or removes for good what users deleted,
    from inside the cluster, where the database can be seen too.
  - Returns what the module of the same name returns - M(mlops.mlflow.mlflow_health), M(mlops.mlflow.mlflow_smoke_test),
    M(mlops.mlflow.mlflow_info), M(mlops.mlflow.mlflow_gc).
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
attributes:
  check_mode:
    support: full
    details: V(smoke) is not run in check mode, because it writes and removes an experiment, and V(gc) only looks.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the deployment.
    type: str
    default: mlflow
  command:
    description:
      - What to do.
    type: str
    choices: [health, smoke, info, gc]
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
    default: 180
"""

EXAMPLES = r"""
- name: Check a deployment in depth
  mlops.mlflow.mlflow_kubernetes_ops:
    namespace: mlflow
    command: health
    arguments: [--level, deep]
"""

RETURN = r"""
pod:
  description: The pod in which the command ran.
  returned: success
  type: str
  sample: mlflow-5d5c-x2x
healthy:
  description: Whether all checks held. Further values are those of the module named in the description.
  returned: for O(command=health)
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import runner
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def operate(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if module.check_mode and params["command"] == "smoke":
        return {"changed": False, "pod": ""}
    looks = ["--check"] if module.check_mode and params["command"] == "gc" else []
    found = runner.run_ops(
        cluster_of(module),
        params["namespace"],
        params["name"],
        [params["command"], *params["arguments"], *looks],
        params["timeout"],
    )
    failed = bool(found.pop("failed", False))
    if failed and params["fail_on_error"]:
        module.fail_json(**{"msg": "mlflow-ops failed", **found})
    return {"changed": False, **found}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "command": {"type": "str", "choices": ["health", "smoke", "info", "gc"], "required": True},
            "arguments": {"type": "list", "elements": "str", "default": []},
            "fail_on_error": {"type": "bool", "default": True},
            "timeout": {"type": "float", "default": 180.0},
        },
        supports_check_mode=True,
    )
    run(module, operate)


if __name__ == "__main__":
    main()
