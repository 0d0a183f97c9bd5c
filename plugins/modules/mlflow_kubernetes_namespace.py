#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_namespace
short_description: Create the namespace of a deployment, or check that one of somebody else's may be used
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - A namespace that does not exist is created, and the call that creates it also writes whose it is, into the annotation
    C(mlops.mlflow/created-for). One that exists is never taken over.
  - Refuses a namespace that holds another deployment, or objects of somebody else's with the names of O(objects). In
    check mode nothing but these checks is done.
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
  name:
    description:
      - Name of the deployment.
    type: str
    default: mlflow
  existing:
    description:
      - Whether somebody else made the namespace. It must exist then, and is never changed.
    type: bool
    default: false
  objects:
    description:
      - What will be applied, each with its C(kind) and C(metadata.name).
    type: list
    elements: dict
    default: []
  labels:
    description:
      - Labels of a namespace that is the deployment's own, such as the level of Pod Security.
    type: dict
    default: {}
  annotations:
    description:
      - Its annotations.
    type: dict
    default: {}
  check_contents:
    description:
      - Whether a namespace that holds another deployment is refused. V(false) is for a fleet, whose module checks that
        itself.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Create the namespace of a deployment
  mlops.mlflow.mlflow_kubernetes_namespace:
    context: kind-mlflow
    namespace: team-a
    labels: {pod-security.kubernetes.io/enforce: restricted}

- name: Check that the namespace that an administrator made may be used
  mlops.mlflow.mlflow_kubernetes_namespace:
    context: kind-mlflow
    namespace: team-b
    existing: true
"""

RETURN = r"""
created:
  description: Whether the namespace was created, or would be.
  returned: success
  type: bool
  sample: true
changed_labels:
  description: Names of the labels and annotations that were set, or would be.
  returned: success
  type: list
  elements: str
  sample: [pod-security.kubernetes.io/enforce]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import ownership
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def prepare(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    found = ownership.prepare_namespace(
        cluster_of(module),
        params["namespace"],
        params["name"],
        existing=params["existing"],
        objects=params["objects"],
        labels={str(key): str(value) for key, value in params["labels"].items()},
        annotations={str(key): str(value) for key, value in params["annotations"].items()},
        check_contents=params["check_contents"],
        dry_run=module.check_mode,
    )
    after = "".join(f"{key}\n" for key in found["changed_labels"])
    if found["created"]:
        after = f"Namespace {params['namespace']}\n{after}"
    return {"changed": bool(after), **found, "diff": {"before": "", "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "existing": {"type": "bool", "default": False},
            "objects": {"type": "list", "elements": "dict", "default": []},
            "labels": {"type": "dict", "default": {}},
            "annotations": {"type": "dict", "default": {}},
            "check_contents": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run(module, prepare)


if __name__ == "__main__":
    main()
