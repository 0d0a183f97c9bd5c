#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_project
short_description: Start, stop or remove the containers of a component of a deployment
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Lets the containers of one compose project be what its file says. What is not this deployment's, as its label tells, is
    neither changed nor removed; a container of others in the project or with one of its names is an error.
  - A container that runs since before one of the files that it reads its secrets from was written is replaced.
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
  component:
    description:
      - The component, such as V(server). Deployment and component are the name of the compose project.
    type: str
    required: true
  project:
    description:
      - Path of the compose file. Required for O(state=present).
    type: path
  services:
    description:
      - Only these services. Required for O(state=stopped).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(absent) finds containers by their labels, and needs no compose file.
    type: str
    choices: [present, stopped, absent]
    default: present
  recreate:
    description:
      - Whether containers are replaced even if nothing about them changed.
    type: bool
    default: false
  dependencies:
    description:
      - Whether services that those named depend on are started too.
    type: bool
    default: true
  remove_orphans:
    description:
      - Whether containers of the deployment that the file does not name any more are removed.
    type: bool
    default: false
  remove_data:
    description:
      - Whether O(state=absent) also removes the volumes of the component with all data in them.
    type: bool
    default: false
  wait:
    description:
      - Seconds until the containers must be healthy. V(0) does not wait.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Start what is not running, and replace what changed
  mlops.mlflow.mlflow_compose_project:
    deployment: mlflow
    component: server
    project: /var/lib/mlflow/server/compose.yaml
    wait: 300

- name: Remove the containers, and keep the data
  mlops.mlflow.mlflow_compose_project:
    deployment: mlflow
    component: database
    state: absent
"""

RETURN = r"""
actions:
  description: Containers that changed, or in check mode would, and whether by V(create), V(recreate), V(start), V(stop) or V(remove).
  returned: success
  type: list
  elements: dict
  sample: [{"container": "mlflow-server-1", "action": "recreate"}]
volumes:
  description: Volumes that were removed.
  returned: success
  type: list
  elements: str
  sample: []
left:
  description: Volumes that stay because containers of others use them.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.project import Project


def apply(module: AnsibleModule) -> dict[str, Any]:
    given = module.params
    project = Project(given["deployment"], given["component"])
    removed: dict[str, list[str]] = {"volumes": [], "left": []}
    if given["state"] == "absent":
        removed = project.remove(given["remove_data"], module.check_mode)
        actions = [{"container": name, "action": "remove"} for name in removed.pop("containers")]
    elif given["state"] == "stopped":
        actions = project.stop(given["services"], module.check_mode)
    else:
        actions = project.up(
            given["project"],
            given["services"],
            recreate=given["recreate"],
            dependencies=given["dependencies"],
            orphans=given["remove_orphans"],
            wait=given["wait"],
            dry_run=module.check_mode,
        )
    return {"changed": bool(actions or removed["volumes"]), "actions": actions, **removed}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "deployment": {"type": "str", "required": True},
            "component": {"type": "str", "required": True},
            "project": {"type": "path"},
            "services": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
            "recreate": {"type": "bool", "default": False},
            "dependencies": {"type": "bool", "default": True},
            "remove_orphans": {"type": "bool", "default": False},
            "remove_data": {"type": "bool", "default": False},
            "wait": {"type": "int", "default": 0},
        },
        required_if=[("state", "present", ["project"]), ("state", "stopped", ["services"])],
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
