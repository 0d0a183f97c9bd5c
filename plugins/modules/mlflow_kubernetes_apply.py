#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_apply
short_description: Apply many objects to a Kubernetes with few requests
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Applies objects server-side, as the field manager C(mlops.mlflow) and with force. Each kind is listed once. An object
    that is so already is not sent again, so that a run that changes nothing costs the API server one request for each kind.
  - In check mode the API server says what it would change.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  objects:
    description:
      - The objects, in the order in which they are applied. All are in O(namespace), or name their own.
    type: list
    elements: dict
    required: true
  only_own:
    description:
      - Whether to refuse, before anything is changed, where one of the objects exists without the labels of its owner
        that it is to have.
    type: bool
    default: false
seealso:
  - module: mlops.mlflow.mlflow_kubernetes_wait
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Apply a note to the deployment
  mlops.mlflow.mlflow_kubernetes_apply:
    context: kind-mlflow
    namespace: mlflow
    objects:
      - apiVersion: v1
        kind: ConfigMap
        metadata: {name: note}
        data: {owner: team-a}

- name: Apply manifests that have the marks of the deployment
  mlops.mlflow.mlflow_kubernetes_apply:
    context: kind-mlflow
    namespace: mlflow
    objects: "{{ documents | mlops.mlflow.manifests({'name': 'mlflow', 'namespace': 'mlflow', 'component': 'extra'}) }}"
  vars:
    documents: |
      apiVersion: v1
      kind: ServiceAccount
      metadata: {name: notebooks}
"""

RETURN = r"""
objects:
  description: What became of each object, or would.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object.
      type: str
      sample: Deployment
    name:
      description: Its name.
      type: str
      sample: mlflow
    changed:
      description: Whether anything but its status changed.
      type: bool
      sample: true
    created:
      description: Whether it was not there before.
      type: bool
      sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import apply as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def apply(module: AnsibleModule) -> dict[str, Any]:
    place = {"namespace": module.params["namespace"]}
    objects = [{**item, "metadata": {**place, **item["metadata"]}} for item in module.params["objects"]]
    done = engine.apply(cluster_of(module), objects, dry_run=module.check_mode, only_own=module.params["only_own"])
    changed = [one for one in done if one["changed"]]
    diff = [
        {
            "before_header": f"{one['kind']} {one['name']}",
            "after_header": f"{one['kind']} {one['name']}",
            "before": one["before"],
            "after": one["after"],
        }
        for one in changed
    ]
    told = [{key: one[key] for key in ("kind", "name", "changed", "created")} for one in done]
    return {"changed": bool(changed), "objects": told, **({"diff": diff} if module._diff else {})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "objects": {"type": "list", "elements": "dict", "required": True},
            "only_own": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
