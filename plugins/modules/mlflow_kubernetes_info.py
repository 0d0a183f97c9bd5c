#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_info
short_description: Inspect a Kubernetes cluster and at what of a deployment is there
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - One inspection answers what a deployment must know before it changes anything - version, permissions, storage classes,
    metrics API, quotas, existing secrets, volumes and jobs - and how its pods are now. Changes nothing.
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
  workload:
    description:
      - What kind the workload of the servers is.
    type: str
    choices: [Deployment, KnativeService]
    default: Deployment
  permissions:
    description:
      - What will be done, each as verb and resource with its group, such as V(create deployments.apps).
    type: list
    elements: str
    default: []
  secrets:
    description:
      - Secrets whose keys are wanted. Their values are never returned.
    type: list
    elements: str
    default: []
  groups:
    description:
      - API groups that are needed beyond Kubernetes' own, such as V(gateway.networking.k8s.io).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check what a deployment needs
  mlops.mlflow.mlflow_kubernetes_info:
    context: kind-mlflow
    namespace: mlflow
    permissions: [create deployments.apps, create secrets]
  register: cluster
  failed_when: cluster.denied | length > 0
"""

RETURN = r"""
version:
  description: Version of the cluster.
  returned: success
  type: str
  sample: v1.34.4
minor:
  description: Its minor version as a number.
  returned: success
  type: int
  sample: 34
namespace:
  description: V(Active), V(Terminating) or V(absent).
  returned: success
  type: str
  sample: Active
storage_classes:
  description: Names of the storage classes.
  returned: success
  type: list
  elements: str
  sample: [standard]
storage_provisioners:
  description: What makes the volumes of each storage class.
  returned: success
  type: dict
  sample: {standard: rancher.io/local-path}
default_storage_class:
  description: The default one; empty where there is none.
  returned: success
  type: str
  sample: standard
metrics:
  description: Whether the metrics API answers, which the autoscaler needs.
  returned: success
  type: bool
  sample: true
missing_groups:
  description: Those of O(groups) that the cluster does not serve.
  returned: success
  type: list
  elements: str
  sample: []
denied:
  description: Those of O(permissions) that are not granted.
  returned: success
  type: list
  elements: str
  sample: [create secrets]
secrets:
  description: The keys of each of O(secrets); empty for one that does not exist.
  returned: success
  type: dict
  sample: {mlflow-database: [owner-password, password]}
optional:
  description: Objects of the deployment that changed settings may make superfluous, such as its autoscaler.
  returned: success
  type: list
  elements: dict
  sample: [{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: mlflow, namespace: mlflow}}]
claims:
  description: Names of the deployment's volume claims.
  returned: success
  type: list
  elements: str
  sample: [mlflow-database]
quotas:
  description: What other ResourceQuotas of the namespace allow.
  returned: success
  type: dict
  sample: {team: {pods: "20"}}
launch:
  description: What the servers are started with, and where their secrets are; empty where none are, or none has served so far.
  returned: success
  type: dict
  sample: {argv: [], env: {}, secrets: {}, jobs: null, inherits: [], keys: []}
jobs:
  description: State (V(running), V(complete), V(failed)) and checksum of the deployment's jobs.
  returned: success
  type: dict
  sample: {mlflow-setup: {state: complete, checksum: 0a1b2c3d}}
workloads:
  description:
    - Kind, name, wanted and ready replicas of each workload, whether it was stopped and is known to have served, and for
      servers the version of MLflow, and whether just what they are was proven by M(mlops.mlflow.mlflow_smoke_test).
  returned: success
  type: list
  elements: dict
  sample: [{kind: Deployment, name: mlflow, wanted: 2, ready: 2, version: 3.17.2, proven: true, stopped: false, served: true}]
unsettled:
  description: Workloads that are not rolled out, each with the reason.
  returned: success
  type: list
  elements: str
  sample: ["Deployment/mlflow: 1 of 2 ready"]
pods:
  description: Name, component, phase, readiness, restarts and problem of each pod.
  returned: success
  type: list
  elements: dict
  sample: [{name: mlflow-5d5c-x2x, component: server, phase: Running, ready: true, restarts: 0, problem: ""}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import inspect, workload
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def gather(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    client = cluster_of(module)
    found = inspect.gather(
        client,
        params["namespace"],
        params["name"],
        permissions=params["permissions"],
        secrets=params["secrets"],
        groups=params["groups"],
    )
    state = inspect.state(client, params["namespace"], params["name"], params["workload"])
    launch = inspect.launch_that_served(found, state["workloads"], params["name"])
    return {"changed": False, **found, **state, "launch": launch}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "workload": {"type": "str", "choices": list(workload.KINDS), "default": "Deployment"},
            "permissions": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "groups": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
