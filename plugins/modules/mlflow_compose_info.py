#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_info
short_description: Look at a host with Docker, and at a deployment on it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says whether the Docker Engine and its compose plugin can be used, which networks, volumes and images are there, and
    what the containers of a deployment do. Changes nothing, and does not fail where Docker is not running.
extends_documentation_fragment:
  - mlops.mlflow.attributes
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
  networks:
    description:
      - Networks to look for, and the subnet that is wished for each (empty for none).
    type: dict
    default: {}
  volumes:
    description:
      - Volumes to look for.
    type: list
    elements: str
    default: []
  images:
    description:
      - Images that must be there.
    type: list
    elements: str
    default: []
  host:
    description:
      - Address of the host on which the deployment listens.
    type: str
    default: ''
  port:
    description:
      - Port on which it listens. V(0) does not look.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Look at a deployment
  mlops.mlflow.mlflow_compose_info:
    name: mlflow
"""

RETURN = r"""
engine:
  description: C(version) of the Docker Engine, and C(problem), which is empty where it can be used.
  returned: always
  type: dict
compose:
  description: The same of the compose plugin.
  returned: always
  type: dict
networks:
  description: Those of O(networks) that exist, and the deployment that each was made for (empty for none).
  returned: always
  type: dict
volumes:
  description: Those of O(volumes) that exist, and the deployment that each was made for (empty for none).
  returned: always
  type: dict
overlaps:
  description: Which wished subnets are in use already, and by what.
  returned: always
  type: list
  elements: str
missing_images:
  description: Those of O(images) that are not there.
  returned: always
  type: list
  elements: str
containers:
  description: >-
    The deployment's containers with C(name), C(component), C(service), C(zone), C(state), C(health), C(problem) (empty where
    there is none), C(image), C(started), C(restarts), C(networks) and C(ports).
  returned: always
  type: list
  elements: dict
scratch:
  description: Volumes in which servers keep what is not worth keeping.
  returned: always
  type: list
  elements: str
port:
  description: Whether the port is V(free), V(ours) or V(taken) by another program.
  returned: always
  type: str
  sample: free
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def look(module: AnsibleModule) -> dict[str, Any]:
    return {"changed": False, **inspect.gather(**module.params)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "mlflow"},
            "networks": {"type": "dict", "default": {}},
            "volumes": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
            "host": {"type": "str", "default": ""},
            "port": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    run(module, look)


if __name__ == "__main__":
    main()
