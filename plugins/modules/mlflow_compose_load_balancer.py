#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_load_balancer
short_description: Let a load balancer run, and wait until it sends requests to a server
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Starts a load balancer that does not run.
  - After a server was replaced or its zone healed, the load balancer looks at it before it sends requests there. Who then stops
    the next one must wait for that.
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
  load_balancer:
    description:
      - Name of the load balancer's container.
    type: str
    required: true
  server:
    description:
      - Name of a server in it, to wait until the load balancer sends requests there.
    type: str
    default: ''
  reload:
    description:
      - Whether a load balancer that runs already reads its configuration anew, without closing a connection.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for that at most.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Wait for the first server
  mlops.mlflow.mlflow_compose_load_balancer:
    load_balancer: mlflow-load-balancer
    server: server-1

- name: Let it take over a changed configuration
  mlops.mlflow.mlflow_compose_load_balancer:
    load_balancer: mlflow-load-balancer
    reload: true
"""

RETURN = r"""
started:
  description: Whether it did not run.
  returned: success
  type: bool
  sample: false
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 0.4
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import load_balancer


def apply(module: AnsibleModule) -> dict[str, Any]:
    params, begin = module.params, time.monotonic()
    started = load_balancer.start(params["load_balancer"], module.check_mode)
    reloaded = params["reload"] and not started
    if not module.check_mode:
        if reloaded:
            load_balancer.reload(params["load_balancer"])
        if params["server"]:
            load_balancer.wait_for_server(params["load_balancer"], params["server"], params["timeout"])
    seconds = round(time.monotonic() - begin, 2)
    return {"changed": started or reloaded, "started": started, "seconds": seconds}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "load_balancer": {"type": "str", "required": True},
            "server": {"type": "str", "default": ""},
            "reload": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
