#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_info
short_description: Inspect a host with Docker, and at a deployment on it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says whether the Docker Engine and its compose plugin can be used, which networks, volumes and images are there, and
    what the containers of a deployment do. Changes nothing, and does not fail where Docker is not running.
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
      - Name of the deployment.
    type: str
    default: mlflow
  networks:
    description:
      - Networks to look for, and the subnet that is requested for each (empty for none).
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
  projects:
    description:
      - Compose projects that the deployment will have.
    type: list
    elements: str
    default: []
  container_names:
    description:
      - Containers that it will have.
    type: list
    elements: str
    default: []
  log:
    description:
      - A container whose last words are wanted.
    type: str
    default: ''
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
- name: Inspect a deployment
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
  description: Which requested subnets are in use already, and by what.
  returned: always
  type: list
  elements: str
image_bytes:
  description: The sizes of those of O(images) that are there.
  returned: always
  type: dict
missing_images:
  description: Those of O(images) that are not there.
  returned: always
  type: list
  elements: str
containers:
  description: >-
    The deployment's containers with C(name), C(id), C(component), C(service), C(folder) (that of the compose file), C(zone),
    C(version), C(state), C(health), C(problem) (empty where there is none), C(image), C(started), C(pid), C(restarts),
    C(networks) and C(ports).
  returned: always
  type: list
  elements: dict
foreign_containers:
  description: Containers in O(projects) or called as in O(container_names) that were not made for the deployment.
  returned: always
  type: list
  elements: str
owned:
  description: Names of the C(volumes) and C(networks) that carry the deployment's label.
  returned: always
  type: dict
log:
  description: The end of what O(log) has said.
  returned: always
  type: str
launch:
  description: What the servers are started with, and where their secrets are; empty where none are.
  returned: always
  type: dict
scratch:
  description: Volumes in which servers keep what is not worth keeping.
  returned: always
  type: list
  elements: str
port:
  description: >-
    Whether the port is V(free), V(ours), V(taken) by another program, or V(impossible): the host cannot listen there.
  returned: always
  type: str
  sample: free
port_problem:
  description: Why the host cannot listen there.
  returned: always
  type: str
  sample: it is no address of this host
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import inspect


def gather(module: AnsibleModule) -> dict[str, Any]:
    given = {name: value for name, value in module.params.items() if name not in DOCKER_ARGS}
    return {"changed": False, **inspect.gather(**given)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "networks": {"type": "dict", "default": {}},
            "volumes": {"type": "list", "elements": "str", "default": []},
            "images": {"type": "list", "elements": "str", "default": []},
            "projects": {"type": "list", "elements": "str", "default": []},
            "container_names": {"type": "list", "elements": "str", "default": []},
            "log": {"type": "str", "default": ""},
            "host": {"type": "str", "default": ""},
            "port": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, gather)


if __name__ == "__main__":
    main()
