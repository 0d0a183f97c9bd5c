#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_remove
short_description: Remove what a deployment made on Kubernetes, and nothing else
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Removes the objects that carry the marks of the deployment, and waits until they are gone. What anybody else made is
    left alone, also where it has the same name.
  - A namespace is removed only where the deployment made it and nothing else would go with it.
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
  components:
    description:
      - Whose objects are meant, such as V(database). Empty and without O(objects), only the namespace is.
    type: list
    elements: str
    default: []
  objects:
    description:
      - The objects that are meant instead, each with its C(apiVersion), C(kind) and C(metadata.name). Data that is named
        here goes as well.
    type: list
    elements: dict
    default: []
  remove_data_of:
    description:
      - Those of O(components) whose volumes, databases and Secrets go as well.
    type: list
    elements: str
    default: []
  remove_namespace:
    description:
      - Whether the namespace goes as well.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds after which to give up waiting.
    type: float
    default: 180
"""

EXAMPLES = r"""
- name: Remove the server, and keep its Secret
  mlops.mlflow.mlflow_kubernetes_remove:
    context: kind-mlflow
    namespace: team-a
    components: [server, setup]
"""

RETURN = r"""
present:
  description: What was there of what is meant.
  returned: success
  type: list
  elements: str
  sample: [Deployment mlflow, Secret mlflow-auth]
removed:
  description: What was removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [Deployment mlflow]
kept:
  description: Data that was kept, also volumes that their storage class keeps.
  returned: success
  type: list
  elements: str
  sample: [Secret mlflow-auth]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import ownership
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def remove(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    found = ownership.remove(
        cluster_of(module),
        params["namespace"],
        params["name"],
        components=params["components"],
        objects=params["objects"],
        remove_data_of=params["remove_data_of"],
        remove_namespace=params["remove_namespace"],
        dry_run=module.check_mode,
        seconds=params["wait_timeout"],
    )
    before = "".join(f"{item}\n" for item in found["removed"])
    return {"changed": bool(before), **found, "diff": {"before": before, "after": ""}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "components": {"type": "list", "elements": "str", "default": []},
            "objects": {"type": "list", "elements": "dict", "default": []},
            "remove_data_of": {"type": "list", "elements": "str", "default": []},
            "remove_namespace": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 180.0},
        },
        supports_check_mode=True,
    )
    run(module, remove)


if __name__ == "__main__":
    main()
