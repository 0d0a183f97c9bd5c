#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_volume
short_description: Make or remove a volume of a deployment
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes a volume that a container without any rights can write to, which a plain new volume is not.
  - A volume that was not made for this deployment is neither used nor removed.
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
  name:
    description:
      - Name of the volume.
    type: str
    required: true
  deployment:
    description:
      - Name of the deployment that it belongs to.
    type: str
    required: true
  component:
    description:
      - The component that uses it, such as V(database).
    type: str
    required: true
  image:
    description:
      - Image with the program C(chown), in which the new volume is given to O(user).
    type: str
  user:
    description:
      - User and group of the containers that write to it.
    type: str
    default: 10001:10001
  options:
    description:
      - Options of the volume driver V(local), such as those of an NFS export. Such a volume keeps its owner.
    type: dict
    default: {}
  state:
    description:
      - V(absent) removes the volume and all data in it.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Make the volume of the database
  mlops.mlflow.mlflow_compose_volume:
    name: mlflow-database
    deployment: mlflow
    component: database
    image: docker.io/library/postgres:17.6-trixie
    user: 999:999
"""

RETURN = r"""
volume:
  description: Name of the volume.
  returned: success
  type: str
  sample: mlflow-database
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import volumes


def apply(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if params["state"] == "absent":
        changed = volumes.remove_volume(params["name"], params["deployment"], module.check_mode)
    else:
        changed = volumes.ensure_volume(
            params["name"],
            params["deployment"],
            params["component"],
            params["image"],
            params["user"],
            {key: str(value) for key, value in params["options"].items()},
            module.check_mode,
        )
    return {"changed": changed, "volume": params["name"]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "name": {"type": "str", "required": True},
            "deployment": {"type": "str", "required": True},
            "component": {"type": "str", "required": True},
            "image": {"type": "str"},
            "user": {"type": "str", "default": "10001:10001"},
            "options": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["image"])],
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
