#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_fleet
short_description: Deploy thousands of instances of MLflow to a Kubernetes
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Has the instances that are declared in a namespace, each made of the objects of one sample in which the name is replaced.
  - Lists each kind once, metadata alone, and applies only what differs, several instances at once. What was edited by
    somebody else is put right. A run that was interrupted is gone on with by running it again.
  - What is not applied cannot hurt. Servers that Knative does not take, because a feature flag is off for instance, and an
    object of one of these names that the fleet did not make are refused before anything is changed; an instance that fails
    leaves the others alone.
  - With O(wave), changes go to so many instances at a time, and stop where these do not get ready.
  - An instance is a deployment like any other, named as itself. One whose servers were stopped stays so.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
  - mlops.mlflow.fleet
  - mlops.mlflow.progress
attributes:
  check_mode:
    support: full
    details: Compares with what the cluster holds. The API server is asked only whether it takes servers like those of the
      sample; it may refuse one instance still.
  diff_mode:
    support: full
    details: Names of instances and of objects that are pruned.
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the fleet, the label C(mlops.mlflow/fleet) of its objects. Fleets of other names are not touched.
    type: str
    required: true
  objects:
    description:
      - The objects of the sample, in the order in which those of an instance are applied. Nobody can change a Job - give
        those names that change with them, with the filter P(mlops.mlflow.manifest_files#filter).
    type: list
    elements: dict
    required: true
  sample:
    description:
      - The name with which the sample was rendered. It is replaced wherever it stands, so let it be part of no other word.
    type: str
    required: true
  instances:
    description:
      - The instances, and what differs from the sample. Of those that O(pattern) makes, the ones for which something does.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the instance.
        type: str
        required: true
      labels:
        description:
          - Labels of its objects.
        type: dict
      annotations:
        description:
          - Annotations of its objects.
        type: dict
      replicas:
        description:
          - Servers that never sleep.
        type: int
      max_replicas:
        description:
          - Servers at most.
        type: int
      request_timeout:
        description:
          - Seconds of its longest request.
        type: int
      resources:
        description:
          - Requests and limits of the server's container.
        type: dict
      storage_size:
        description:
          - Size of its volume.
        type: str
      storage_class:
        description:
          - Storage class of its volume, one of O(storage_classes) where these are given.
        type: str
      allowed_hosts:
        description:
          - Further names that its server answers to.
        type: list
        elements: str
      default_permission:
        description:
          - What its users may do with what nobody granted them, where they log in. V(READ), V(USE), V(EDIT), V(MANAGE) or
            V(NO_PERMISSIONS).
        type: str
  storage_classes:
    description:
      - Storage classes of the instances' volumes, where one takes only so many, such as those of file systems of EFS. The first
        O(volumes_each) instances of the pattern have the first one, the next the second, and so on, so that a growing fleet
        changes nobody's. Those that are listed by name say their own where there are several.
      - Empty means that of the sample for all.
    type: list
    elements: str
    default: []
  volumes_each:
    description:
      - How many volumes each of O(storage_classes) takes. More are refused.
    type: int
    default: 1000
  limit:
    description:
      - More instances than that must be confirmed.
    type: int
    default: 1000
  confirmed_count:
    description:
      - The number of instances, where it is beyond O(limit).
    type: int
    default: 0
  prune:
    description:
      - Whether objects of the fleet that belong to no declared instance are removed. Without it they are only named.
    type: bool
    default: false
  prune_data:
    description:
      - Whether their volumes and Secrets are removed as well.
    type: bool
    default: false
  accept_other_data:
    description:
      - Whether instances that are there may get another database or artifact store than they have, and go on without their
        data. Otherwise that is refused.
    type: bool
    default: false
  concurrency:
    description:
      - How many instances are worked on at once, 32 at most.
    type: int
    default: 8
  timeout:
    description:
      - Seconds in which everything, or each wave, must be applied.
    type: float
    default: 3600
  wait_timeout:
    description:
      - Seconds in which what was applied, or each wave, must be ready. V(0) does not wait.
    type: float
    default: 600
  wave:
    description:
      - How many instances are changed at a time; V(0) changes all at once, whatever fails. The next wave begins when this
        one is ready. Otherwise the task fails, and the instances behind it are left as they were.
      - The first wave begins when all instances that are as declared are ready, so that a second run does not go past a
        wave that failed.
      - The servers of the sample must begin with one at least (C(autoscaling.knative.dev/initial-scale)), because Knative
        calls those ready that begin with none.
    type: int
    default: 0
  wave_failures:
    description:
      - So many instances may fail before no other wave is begun.
    type: int
    default: 0
seealso:
  - module: mlops.mlflow.mlflow_workload
  - module: mlops.mlflow.mlflow_kubernetes_apply
"""

EXAMPLES = r"""
- name: Deploy 200 instances, one of which never sleeps
  mlops.mlflow.mlflow_fleet:
    context: kind-mlflow
    namespace: tenants
    name: tenants
    sample: mlflow-fleet-sample
    objects: "{{ kubernetes_manifests_collected | mlops.mlflow.manifest_files }}"
    count: 200
    pattern: tenant-####
    instances:
      - {name: tenant-0042, replicas: 1, labels: {team: vision}}

- name: Change them 20 at a time, and stop at the first that does not get ready
  mlops.mlflow.mlflow_fleet:
    context: kind-mlflow
    namespace: tenants
    name: tenants
    sample: mlflow-fleet-sample
    objects: "{{ kubernetes_manifests_collected | mlops.mlflow.manifest_files }}"
    count: 200
    pattern: tenant-####
    wave: 20

- name: Deploy three instances, and remove all others of the fleet without their data
  mlops.mlflow.mlflow_fleet:
    context: kind-mlflow
    namespace: teams
    name: teams
    sample: mlflow-fleet-sample
    objects: "{{ kubernetes_manifests_collected | mlops.mlflow.manifest_files }}"
    instances: [{name: vision}, {name: speech}, {name: search}]
    prune: true
"""

RETURN = r"""
created:
  description: Instances of which nothing was there, in check mode those that would be created.
  returned: success
  type: list
  elements: str
  sample: [tenant-0001]
updated:
  description: Instances of which something differed, because it is declared anew or was edited by somebody.
  returned: success
  type: list
  elements: str
  sample: []
stopped:
  description: Instances whose servers somebody has stopped. They stay so.
  returned: success
  type: list
  elements: str
  sample: []
untried:
  description: Instances that differ still, because the roll-out stopped before their wave.
  returned: success
  type: list
  elements: str
  sample: []
pruned:
  description: Objects that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [Service tenant-0007]
kept:
  description: Objects of the fleet that are declared no more, and stay.
  returned: success
  type: list
  elements: str
  sample: [PersistentVolumeClaim tenant-0007]
failures:
  description: What failed, and why. The task fails when there is something.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    name:
      description: Instance, or object that was to be pruned.
      type: str
      sample: tenant-0003
    reason:
      description: Why.
      type: str
      sample: "The cluster at https://cluster:6443 refused PATCH ...: admission webhook denied the request"
counts:
  description: How many of each, with C(declared) and C(unchanged).
  returned: success
  type: dict
  sample: {declared: 200, unchanged: 199, created: 1, updated: 0, stopped: 0, untried: 0, pruned: 0, kept: 0, failures: 0}
requests:
  description: Requests of the API server to list and to apply, those that were made again included.
  returned: success
  type: int
  sample: 9
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 1.5
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import declaration
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import deploy as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._fleet import PATTERN_ARGS
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run

OF_INSTANCES: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    **{name: {"type": "dict"} for name in ("labels", "annotations", "resources")},
    **{name: {"type": "int"} for name in ("replicas", "max_replicas", "request_timeout")},
    **{name: {"type": "str"} for name in ("storage_size", "storage_class", "default_permission")},
    "allowed_hosts": {"type": "list", "elements": "str"},
}
# Options that the engine calls the same.
_OF_DECLARATION = ("count", "pattern", "limit", "confirmed_count", "storage_classes", "volumes_each")
_PASSED_ON = (
    "namespace", "sample", "objects", "prune", "prune_data", "concurrency", "wave", "wave_failures", "accept_other_data",
)  # fmt: skip


def deploy(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    numbers = {name: params[name] for name in _OF_DECLARATION}
    request = engine.Request(
        fleet=params["name"],
        instances=declaration.declare(params["instances"], **numbers),
        seconds=params["timeout"],
        wait_seconds=params["wait_timeout"],
        **{name: params[name] for name in _PASSED_ON},
    )
    say = logging_to(params["progress_file"])
    done = engine.deploy(cluster_of(module), request, say, dry_run=module.check_mode)
    return {**done, **({"diff": engine.diff(done)} if module._diff else {})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "required": True},
            "objects": {"type": "list", "elements": "dict", "required": True},
            "sample": {"type": "str", "required": True},
            "instances": {"type": "list", "elements": "dict", "default": [], "options": OF_INSTANCES},
            **PATTERN_ARGS,
            "storage_classes": {"type": "list", "elements": "str", "default": []},
            "volumes_each": {"type": "int", "default": 1000},
            "limit": {"type": "int", "default": 1000},
            "confirmed_count": {"type": "int", "default": 0},
            "prune": {"type": "bool", "default": False},
            "prune_data": {"type": "bool", "default": False},
            "accept_other_data": {"type": "bool", "default": False},
            "concurrency": {"type": "int", "default": 8},
            "timeout": {"type": "float", "default": 3600.0},
            "wait_timeout": {"type": "float", "default": 600.0},
            "wave": {"type": "int", "default": 0},
            "wave_failures": {"type": "int", "default": 0},
            **PROGRESS_ARGS,
        },
        supports_check_mode=True,
    )
    run(module, deploy)


if __name__ == "__main__":
    main()
