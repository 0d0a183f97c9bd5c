#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_load_test
short_description: Follow a load test in a Docker Engine, and give a verdict
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The role P(mlops.mlflow.locust#role) starts Locust's master and workers as a compose project. This follows them to
    their end, watches what the servers take meanwhile, removes what the test made, judges, and writes the reports of
    M(mlops.mlflow.mlflow_load_test) on the engine's machine.
extends_documentation_fragment:
  - mlops.mlflow.docker
  - mlops.mlflow.load
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_compose
options:
  container:
    description:
      - Name of the container of Locust's master.
    type: str
    required: true
  servers:
    description:
      - Servers whose CPU, memory and database connections are to be watched, as O(mlops.mlflow.mlflow_load_test#module:servers).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Follow the containers that the role has started
  mlops.mlflow.mlflow_compose_load_test:
    container: mlflow-load-master
    runner: "{{ mlflow_server_connection.runner }}"
    url: http://mlflow-load-balancer:5000
    settings: {run: mlops-load-4f0a9d1c22, users: 50}
    servers:
      - {name: mlflow-server-1, container: mlflow-server-1, database_port: 5432}
    report_dir: /tmp/load-test
"""

RETURN = r"""
passed:
  description: Whether every objective held, and everything was cleaned up. Not in check mode.
  returned: when it ran
  type: bool
  sample: true
verdict:
  description: One sentence, with the reasons where it failed.
  returned: when it ran
  type: str
  sample: "passed: 1 objective held (6120 requests in 60 s, 101.9/s, p95 83 ms, 0 failed)"
reasons:
  description: Why it failed, one by one.
  returned: when it ran
  type: list
  elements: str
  sample: []
total:
  description: Requests, failures, rate and percentiles of all operations together.
  returned: when it ran
  type: dict
  sample: {"requests": 6120, "failures": 0, "per_second": 101.9, "p95_ms": 83.0}
clean_up:
  description: What was removed, and in C(left) what could not be.
  returned: when it ran
  type: dict
  sample: {"experiments": 12, "left": []}
reports:
  description: Paths of the reports by kind - C(json), C(junit), C(html).
  returned: when it ran
  type: dict
  sample: {"html": "/tmp/load-test/report.html"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import compose, resources
from ansible_collections.mlops.mlflow.plugins.module_utils._load import LOAD_ARGS, followed, operating


def follow(module: AnsibleModule) -> dict[str, Any]:
    given = module.params
    return followed(
        module,
        lambda: compose.InCompose(operating(module), given["container"], resources.watched(given["servers"])),
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            **LOAD_ARGS,
            "container": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, follow)


if __name__ == "__main__":
    main()
