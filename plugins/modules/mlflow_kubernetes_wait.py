#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_wait
short_description: Wait until a deployment on Kubernetes is rolled out, or say why it cannot be
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Ends as soon as everything is ready, and as soon as something cannot become ready - an image that cannot be pulled,
    a container that crashes again and again, a job that failed. The message holds the reason and the last words of the
    container.
  - In check mode nothing is waited for.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
attributes:
  check_mode:
    support: full
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
  workloads:
    description:
      - What to wait for.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, Job, KnativeService, CustomResourceDefinition]
        required: true
      name:
        description: Its name.
        type: str
        required: true
  wait_timeout:
    description:
      - Seconds after which to give up.
    type: float
    default: 300
"""

EXAMPLES = r"""
- name: Wait for the server
  mlops.mlflow.mlflow_kubernetes_wait:
    namespace: mlflow
    workloads:
      - {kind: Deployment, name: mlflow}
    wait_timeout: 120
"""

RETURN = r"""
seconds:
  description: How long was waited.
  returned: success
  type: float
  sample: 12.5
jobs:
  description: What each container of each job returned.
  returned: success
  type: dict
  sample: {mlflow-setup: {schema: {changed: true, state: empty}}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import rollout
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import KIND_PATHS
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def wait(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if module.check_mode:
        return {"changed": False, "seconds": 0.0, "jobs": {}}
    found = rollout.wait(
        cluster_of(module), params["namespace"], params["name"], params["workloads"], params["wait_timeout"]
    )
    return {"changed": False, **found}


def main() -> None:
    workload = {
        "kind": {"type": "str", "choices": list(KIND_PATHS), "required": True},
        "name": {"type": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "workloads": {"type": "list", "elements": "dict", "required": True, "options": workload},
            "wait_timeout": {"type": "float", "default": 300.0},
        },
        supports_check_mode=True,
    )
    run(module, wait)


if __name__ == "__main__":
    main()
