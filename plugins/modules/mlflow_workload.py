#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_workload
short_description: Stop, start or restart the servers of a deployment on Kubernetes
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Brings the servers to a state, whatever kind of workload they are, and waits until they are there. Changes nothing else.
  - A Service of Knative is stopped by being removed, because only one that does not exist starts no server. What it was
    is kept in the ConfigMap of the servers, and comes back with V(started).
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
    support: partial
    details: Every call with V(restarted) restarts.
options:
  name:
    description:
      - Name of the deployment.
    type: str
    default: mlflow
  kind:
    description:
      - What the workload of the servers is.
    type: str
    choices: [Deployment, KnativeService]
    default: Deployment
  state:
    description:
      - V(stopped) waits until the last server has ended; one on its way out may still write.
      - V(started) and V(restarted) wait until the new servers are ready, and old ones are gone.
    type: str
    choices: [started, stopped, restarted]
    default: started
  replicas:
    description:
      - How many servers of a Deployment are started that were stopped.
    type: int
    default: 1
  wait_timeout:
    description:
      - Seconds after which to give up.
    type: float
    default: 300
seealso:
  - module: mlops.mlflow.mlflow_kubernetes_wait
"""

EXAMPLES = r"""
- name: Stop the servers
  mlops.mlflow.mlflow_workload:
    context: kind-mlflow
    namespace: team-a
    state: stopped

- name: Start one again
  mlops.mlflow.mlflow_workload:
    context: kind-mlflow
    namespace: team-a

- name: Start a Service of Knative that was stopped
  mlops.mlflow.mlflow_workload:
    context: kind-mlflow
    namespace: team-a
    kind: KnativeService
"""

RETURN = r"""
seconds:
  description: How long it took until they were there.
  returned: success
  type: float
  sample: 12.5
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import workload
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def bring(module: AnsibleModule) -> dict[str, Any]:
    params, begin = module.params, time.monotonic()
    found = workload.of(cluster_of(module), params["kind"], params["namespace"], params["name"])
    changed = found.bring(params["state"], params["replicas"], params["wait_timeout"], dry_run=module.check_mode)
    return {"changed": changed, "seconds": round(time.monotonic() - begin, 1)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "kind": {"type": "str", "choices": list(workload.KINDS), "default": "Deployment"},
            "state": {"type": "str", "choices": list(workload.STATES), "default": "started"},
            "replicas": {"type": "int", "default": 1},
            "wait_timeout": {"type": "float", "default": 300.0},
        },
        supports_check_mode=True,
    )
    run(module, bring)


if __name__ == "__main__":
    main()
