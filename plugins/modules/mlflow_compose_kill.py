#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_kill
short_description: Kill a container's first process, as when memory runs out
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - For tests of what clients notice then. The engine starts the container again, as it would not after C(docker kill).
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
    support: none
options:
  container:
    description:
      - Name of the container.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Kill a server
  mlops.mlflow.mlflow_compose_kill:
    container: mlflow-server-1
"""

RETURN = r"""
container:
  description: Name of the container.
  returned: success
  type: str
  sample: mlflow-server-1
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import project


def apply(module: AnsibleModule) -> dict[str, Any]:
    if not module.check_mode:
        project.crash(module.params["container"])
    return {"changed": True, "container": module.params["container"]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "container": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
