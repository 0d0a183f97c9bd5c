#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_front
short_description: Wait until a front sends requests to a server
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - After a server was replaced or its zone healed, the front looks at it before it sends requests there. Who then stops
    the next one must wait for that.
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
  timeout:
    description:
      - Seconds to wait for that at most.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Wait for the first server
  mlops.mlflow.mlflow_compose_front:
    front: mlflow-front
    server: server-1
"""

RETURN = r"""
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 0.4
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import load_balancer
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def apply(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    start = time.monotonic()
    if not module.check_mode:
        load_balancer.wait_for_front(params["front"], params["server"], params["timeout"])
    return {"changed": False, "seconds": round(time.monotonic() - start, 2)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "front": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
