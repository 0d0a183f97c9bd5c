#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_fleet_health
short_description: Check the instances of a fleet without waking any
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says which instances of a fleet are not healthy, and how many are, by what the cluster tells of them - Knative's own
    verdict of each service, volumes that are gone, instances that are declared and not there.
  - It lists two or three kinds, whatever the number of instances is. No instance is asked, so that none wakes, and what
    only a server can tell is not known. M(mlops.mlflow.mlflow_health) asks one.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
  - mlops.mlflow.fleet
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
  instances:
    description:
      - The instances that are declared by their C(name), as M(mlops.mlflow.mlflow_fleet) has them. Other keys are not read.
      - With none here and none by O(pattern), those that are there are all, and none is missing.
    type: list
    elements: dict
    default: []
  fail_when_unhealthy:
    description:
      - Whether an unhealthy instance fails the task. With V(false) it is only reported.
    type: bool
    default: true
seealso:
  - module: mlops.mlflow.mlflow_fleet
  - module: mlops.mlflow.mlflow_health
"""

EXAMPLES = r"""
- name: Fail unless each of 200 instances is healthy
  mlops.mlflow.mlflow_fleet_health:
    context: kind-mlflow
    namespace: tenants
    name: tenants
    count: 200
    pattern: tenant-####

- name: Report what is there, do not fail
  mlops.mlflow.mlflow_fleet_health:
    context: kind-mlflow
    namespace: tenants
    name: tenants
    fail_when_unhealthy: false
  register: fleet
"""

RETURN = r"""
healthy:
  description: Whether no instance is unhealthy.
  returned: always
  type: bool
  sample: true
verdict:
  description: One sentence with the numbers, and with up to 20 of the unhealthy instances.
  returned: always
  type: str
  sample: "200 of 200 instances are healthy. None was asked, and none was woken."
unhealthy:
  description: Every instance that is not healthy.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    name:
      description: Of the instance.
      type: str
      sample: tenant-0003
    state:
      description: V(not_ready), V(leaving), V(missing) or V(no_volume).
      type: str
      sample: not_ready
    reason:
      description: Why, as Knative says it.
      type: str
      sample: RevisionFailed
stopped:
  description: Instances whose servers somebody has stopped. They are not unhealthy.
  returned: always
  type: list
  elements: str
  sample: []
undeclared:
  description: Instances of the fleet that are there and not declared.
  returned: always
  type: list
  elements: str
  sample: []
counts:
  description: How many of each.
  returned: always
  type: dict
  sample: {declared: 200, healthy: 200, unhealthy: 0, stopped: 0, undeclared: 0}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import declaration, health
from ansible_collections.mlops.mlflow.plugins.module_utils._fleet import PATTERN_ARGS
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def check(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    names = declaration.names(params["instances"], count=params["count"], pattern=params["pattern"])
    found = health.check(cluster_of(module), params["namespace"], params["name"], names)
    failed = not found["healthy"] and params["fail_when_unhealthy"]
    return {"changed": False, **found, **({"failed": True, "msg": found["verdict"]} if failed else {})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "required": True},
            "instances": {"type": "list", "elements": "dict", "default": []},
            **PATTERN_ARGS,
            "fail_when_unhealthy": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run(module, check)


if __name__ == "__main__":
    main()
