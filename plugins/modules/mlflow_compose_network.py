#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_network
short_description: Make or remove the networks of a deployment, or connect containers to them
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - A network that was not made for this deployment is neither used nor removed, and containers of others on a network of
    this deployment stay connected; such a network stays as well.
extends_documentation_fragment:
  - mlops.mlflow.docker
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_compose
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  deployment:
    description:
      - Name of the deployment.
    type: str
    required: true
  networks:
    description:
      - Names of the networks, and the subnet of each (empty for one that Docker finds free). For O(state=absent) all that
        carry the deployment's label are meant, whatever their names.
    type: dict
    default: {}
  containers:
    description:
      - Containers that are connected or disconnected.
    type: list
    elements: str
    default: []
  state:
    description:
      - What becomes of the networks, or of O(containers) in them.
    type: str
    choices: [present, absent, connected, disconnected]
    default: present
"""

EXAMPLES = r"""
- name: Make two networks
  mlops.mlflow.mlflow_compose_network:
    deployment: mlflow
    networks: {mlflow-a: 10.89.1.0/24, mlflow-b: ""}

- name: Cut a container off
  mlops.mlflow.mlflow_compose_network:
    deployment: mlflow
    networks: {mlflow-a: ""}
    containers: [mlflow-server-1]
    state: disconnected
"""

RETURN = r"""
networks:
  description: Networks that changed, or in check mode would.
  returned: success
  type: list
  elements: str
  sample: [mlflow-a]
left:
  description: Networks that stay because containers of others are in them.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import networks


def apply(module: AnsibleModule) -> dict[str, Any]:
    given, check = module.params, module.check_mode
    left: list[str] = []
    if given["state"] == "absent":
        changed, left = networks.remove_networks(given["deployment"], check)
    elif given["state"] == "present":
        changed = [
            name
            for name, subnet in given["networks"].items()
            if networks.ensure_network(name, given["deployment"], str(subnet or ""), check)
        ]
    else:
        connected = given["state"] == "connected"
        changed = [name for name in given["networks"] if networks.connect(name, given["containers"], connected, check)]
    return {"changed": bool(changed), "networks": changed, "left": left}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "deployment": {"type": "str", "required": True},
            "networks": {"type": "dict", "default": {}},
            "containers": {"type": "list", "elements": "str", "default": []},
            "state": {
                "type": "str",
                "choices": ["present", "absent", "connected", "disconnected"],
                "default": "present",
            },
        },
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
