#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_fleet_operation
short_description: Carry out one operation on all instances of a fleet
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Backs up all instances, creates or migrates their schema, checks their health in depth, or makes their databases. The
    instances are split over Jobs, of which O(jobs) run at once, and whose log has a line for each instance.
  - An instance that fails leaves the others alone. A run that was cut off is gone on with by the next one, because each
    operation finds at the instance itself whether there is something to do. Its Jobs end themselves within a minute.
  - A backup and a schema need no server, so that no instance is woken; a health check wakes all.
  - Secrets of an instance stay in their Secrets, which its Job mounts as files.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
  - mlops.mlflow.fleet
  - mlops.mlflow.progress
attributes:
  check_mode:
    support: full
    details: Jobs run and only look. Where the fleet is not deployed yet, all would be changed.
  diff_mode:
    support: full
    details: What is done at each instance, in a line.
  idempotent:
    support: partial
    details: A health check changes nothing. A backup is idempotent with C(min_age_hours) in O(options).
options:
  name:
    description:
      - Name of the fleet. The ServiceAccount C(NAME-operations) must be there, as which the Jobs run.
    type: str
    required: true
  operation:
    description:
      - What is done. V(databases) has the databases and roles of each instance in a PostgreSQL that they share, with the
        password of an administrator that only these Jobs get.
    type: str
    required: true
    choices: [backup, databases, health, schema]
  objects:
    description:
      - The objects of the sample. Its suspended CronJob of the operation's identity says how an operation runs.
    type: list
    elements: dict
    required: true
  sample:
    description:
      - The name with which the sample was rendered.
    type: str
    required: true
  options:
    description:
      - Options of the operation, as that for the sample has them. They hold no secrets.
    type: dict
    default: {}
  instances:
    description:
      - The instances by their C(name), as M(mlops.mlflow.mlflow_fleet) has them. Other keys are not read.
    type: list
    elements: dict
    default: []
  jobs:
    description:
      - How many Jobs run at once, 8 at most.
    type: int
    default: 4
  share:
    description:
      - How many instances one Job is for at most, 200 at most.
    type: int
    default: 50
  timeout:
    description:
      - Seconds that one Job may take.
    type: float
    default: 3600
  skip_deployed:
    description:
      - Whether instances that are in the cluster are left out. That is for what comes before them, as their databases do.
    type: bool
    default: false
seealso:
  - module: mlops.mlflow.mlflow_fleet
  - module: mlops.mlflow.mlflow_fleet_health
  - module: mlops.mlflow.mlflow_backup
"""

EXAMPLES = r"""
- name: Back up each of 200 instances that has no snapshot of the last 12 hours
  mlops.mlflow.mlflow_fleet_operation:
    context: kind-mlflow
    namespace: tenants
    name: tenants
    operation: backup
    options: {settings: /etc/mlflow-backup/settings.json, min_age_hours: 12, prune: true}
    objects: "{{ kubernetes_manifests_collected }}"
    sample: mlflow-fleet-sample
    count: 200
    pattern: tenant-####

- name: Migrate the schema of two, with the image of the sample
  mlops.mlflow.mlflow_fleet_operation:
    context: kind-mlflow
    namespace: tenants
    name: tenants
    operation: schema
    options: {database_uri: "postgresql+psycopg://mlflow@db:5432/mlflow-fleet-sample", migrate: true}
    objects: "{{ kubernetes_manifests_collected }}"
    sample: mlflow-fleet-sample
    instances: [{name: vision}, {name: speech}]
"""

RETURN = r"""
instances:
  description: Instances at which something was done, or in check mode would be, and what.
  returned: always
  type: list
  elements: dict
  sample: [{name: tenant-0001, result: 20261126T190000.000Z-6c1f}]
  contains:
    name:
      description: Of the instance.
      type: str
      sample: tenant-0001
    result:
      description: In a few words, such as the id of a snapshot.
      type: str
      sample: 20261126T190000.000Z-6c1f
failures:
  description: What failed, and why. The task fails when there is something.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    name:
      description: Of the instance.
      type: str
      sample: tenant-0003
    reason:
      description: Why.
      type: str
      sample: there is no PersistentVolumeClaim tenant-0003-artifacts
counts:
  description: How many of each.
  returned: always
  type: dict
  sample: {declared: 200, changed: 199, unchanged: 1, failures: 0}
jobs:
  description: How many Jobs were made. They are removed when they have ended.
  returned: always
  type: int
  sample: 4
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 61.5
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import declaration, operation
from ansible_collections.mlops.mlflow.plugins.module_utils._fleet import PATTERN_ARGS
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run

# Options that the engine calls the same.
_PASSED_ON = ("namespace", "operation", "objects", "sample", "options", "jobs", "share", "skip_deployed")


def operate(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    request = operation.Request(
        fleet=params["name"],
        instances=declaration.names(params["instances"], count=params["count"], pattern=params["pattern"]),
        seconds=params["timeout"],
        **{name: params[name] for name in _PASSED_ON},
    )
    done = operation.run(cluster_of(module), request, logging_to(params["progress_file"]), check=module.check_mode)
    return {**done, **({"diff": operation.diff(done)} if module._diff else {})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "required": True},
            "operation": {"type": "str", "required": True, "choices": ["backup", "databases", "health", "schema"]},
            "objects": {"type": "list", "elements": "dict", "required": True},
            "sample": {"type": "str", "required": True},
            "options": {"type": "dict", "default": {}},
            "instances": {"type": "list", "elements": "dict", "default": []},
            **PATTERN_ARGS,
            "jobs": {"type": "int", "default": 4},
            "share": {"type": "int", "default": 50},
            "timeout": {"type": "float", "default": 3600.0},
            "skip_deployed": {"type": "bool", "default": False},
            **PROGRESS_ARGS,
        },
        supports_check_mode=True,
    )
    run(module, operate)


if __name__ == "__main__":
    main()
