#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_image
short_description: Pull the images that a Docker Engine does not have
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Fails with the names of all images that cannot be had.
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
  names:
    description:
      - The images.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Pull what is missing
  mlops.mlflow.mlflow_compose_image:
    names: [docker.io/library/postgres:17.6-trixie]
"""

RETURN = r"""
pulled:
  description: Images that were pulled, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import images


def apply(module: AnsibleModule) -> dict[str, Any]:
    pulled = images.pull(module.params["names"], module.check_mode)
    return {"changed": bool(pulled), "pulled": pulled}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "names": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
