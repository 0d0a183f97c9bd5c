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
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
    details: In check mode nothing is done.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run is another load test.
options:
  container:
    description:
      - Name of the container of Locust's master.
    type: str
    required: true
  project:
    description:
      - Path of the servers' compose file.
    type: path
    required: true
  url:
    description:
      - Where the server is, seen from the containers.
    type: str
    required: true
  wishes:
    description:
      - The wishes that the filter P(mlops.mlflow.load_plan#filter) made the plan of.
    type: dict
    required: true
  login:
    description:
      - Arguments with which C(mlflow-ops) beside the servers logs in.
    type: list
    elements: str
    default: []
  servers:
    description:
      - Servers whose CPU, memory and database connections are to be watched, as O(mlops.mlflow.mlflow_load_test#module:servers).
    type: list
    elements: dict
    default: []
  report_dir:
    description:
      - Folder for the reports.
    type: path
    required: true
  start_timeout:
    description:
      - Seconds that the containers may take to start.
    type: float
    default: 300.0
  run_time:
    description:
      - Seconds that the load lasts.
    type: float
    default: 60.0
"""

EXAMPLES = r"""
- name: Follow the containers that the role has started
  mlops.mlflow.mlflow_compose_load_test:
    container: mlflow-load-master
    project: /var/lib/mlflow/server/compose.yaml
    url: http://mlflow-front:5000
    wishes: {run: mlops-load-4f0a9d1c22, users: 50}
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

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import beside, in_compose, resources
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def follow(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if module.check_mode:
        return {"changed": True}
    servers = resources.watched(params["servers"])
    place = in_compose.InCompose(params["project"], params["container"], servers, params["login"])
    folder = Path(params["report_dir"])
    result = beside.follow(place, params["wishes"], params["url"], folder, params["start_timeout"])
    return beside.returned(result, folder)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "project": {"type": "path", "required": True},
            "url": {"type": "str", "required": True},
            "wishes": {"type": "dict", "required": True},
            "login": {"type": "list", "elements": "str", "default": []},
            "servers": {"type": "list", "elements": "dict", "default": []},
            "report_dir": {"type": "path", "required": True},
            "start_timeout": {"type": "float", "default": 300.0},
            "run_time": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run(module, follow)


if __name__ == "__main__":
    main()
