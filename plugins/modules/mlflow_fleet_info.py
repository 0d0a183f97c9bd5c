#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_fleet_info
short_description: List the instances of a fleet and which of them are awake
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says where clients find each instance of a fleet, how Knative says that it is, and how many servers it has now. It lists
    services and pods, whatever the number of instances is; no instance is asked, so that none wakes.
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
      - Name of the fleet.
    type: str
    required: true
seealso:
  - module: mlops.mlflow.mlflow_fleet
  - module: mlops.mlflow.mlflow_fleet_health
"""

EXAMPLES = r"""
- name: List the instances of a fleet, and which are awake
  mlops.mlflow.mlflow_fleet_info:
    context: kind-mlflow
    namespace: tenants
    name: tenants
  register: fleet
"""

RETURN = r"""
instances:
  description: Each instance.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "tenant-0001", "state": "ready", "reason": "", "url": "http://tenant-0001.tenants.example.com",
            "labels": {"team": "vision"}, "pods": 0}]
  contains:
    name:
      description: Of the instance.
      type: str
      sample: tenant-0001
    state:
      description: V(ready), V(not_ready) or V(leaving), as Knative says it.
      type: str
      sample: ready
    reason:
      description: Why it is not ready.
      type: str
      sample: ""
    url:
      description: Where clients find it. Empty until Knative says it.
      type: str
      sample: http://tenant-0001.tenants.example.com
    labels:
      description: Of its service.
      type: dict
      sample: {"team": "vision"}
    pods:
      description: How many servers it has. One that has none sleeps.
      type: int
      sample: 0
targets:
  description: Those that are ready, as the option O(mlops.mlflow.mlflow_load_test#module:targets) has them.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "tenant-0001", "url": "http://tenant-0001.tenants.example.com", "awake": false}]
counts:
  description: How many instances are in each state, and how many are awake.
  returned: always
  type: dict
  sample: {"ready": 200, "not_ready": 0, "leaving": 0, "awake": 3}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import instances
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def inspect(module: AnsibleModule) -> dict[str, Any]:
    found = instances.inspect(cluster_of(module), module.params["namespace"], module.params["name"])
    return {"changed": False, **found}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**CLUSTER_ARGS, "name": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    run(module, inspect)


if __name__ == "__main__":
    main()
