#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_front
short_description: Take a server out of the front's rotation, or put it back
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Before a server is stopped, the front must send it no more requests, and those that it has must be answered. Then
    none is lost.
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    details: It changes who gets requests, and nothing that a deployment consists of, so it never says V(changed).
options:
  front:
    description:
      - Name of the front's container.
    type: str
    required: true
  server:
    description:
      - Name of the server in it.
    type: str
    required: true
  state:
    description:
      - V(drained) returns when the server has no request any more, V(ready) when the front finds it healthy.
    type: str
    choices: [drained, ready]
    required: true
  timeout:
    description:
      - Seconds to wait for that at most.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Send no more requests to the first server
  mlops.mlflow.mlflow_compose_front:
    front: mlflow-front
    server: server-1
    state: drained
"""

RETURN = r"""
told:
  description: Whether there is a front that knows the server. Without one there is nobody to tell.
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import docker
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def apply(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if module.check_mode:
        return {"changed": False, "told": False}
    act = docker.drain if params["state"] == "drained" else docker.undrain
    return {"changed": False, "told": act(params["front"], params["server"], params["timeout"])}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "front": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
            "timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
