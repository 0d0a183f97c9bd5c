#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_load_test
short_description: Follow a load test in a cluster, and give a verdict
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The role P(mlops.mlflow.locust#role) starts Locust's master and workers as Jobs. This follows them to their end, watches
    what servers and database take meanwhile, removes what the test made, judges, and writes the reports of
    M(mlops.mlflow.mlflow_load_test) on the machine where it runs.
extends_documentation_fragment:
  - mlops.mlflow.cluster
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
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
  name:
    description:
      - Name of the deployment.
    type: str
    default: mlflow
  job:
    description:
      - The Jobs are called so, with C(-master) and C(-worker) behind it.
    type: str
    required: true
  url:
    description:
      - Where the server is, seen from the cluster.
    type: str
    required: true
  wishes:
    description:
      - The wishes that the filter P(mlops.mlflow.load_plan#filter) made the plan of.
    type: dict
    required: true
  login:
    description:
      - Arguments with which C(mlflow-ops) in a server's pod logs in.
    type: list
    elements: str
    default: []
  report_dir:
    description:
      - Folder for the reports.
    type: path
    required: true
  start_timeout:
    description:
      - Seconds that the pods may take to start.
    type: float
    default: 300.0
  run_time:
    description:
      - Seconds that the load lasts.
    type: float
    default: 60.0
"""

EXAMPLES = r"""
- name: Follow the Jobs that the role has started
  mlops.mlflow.mlflow_kubernetes_load_test:
    namespace: mlflow
    job: mlflow-load-4f0a9d1c22
    url: http://mlflow.mlflow.svc:5000
    wishes: {run: mlops-load-4f0a9d1c22, users: 50}
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
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import beside, in_cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def follow(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if module.check_mode:
        return {"changed": True}
    place = in_cluster.InCluster(
        cluster_of(module), params["namespace"], params["name"], params["job"], params["login"]
    )
    folder = Path(params["report_dir"])
    result = beside.follow(place, params["wishes"], params["url"], folder, params["start_timeout"])
    return beside.returned(result, folder)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "job": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "wishes": {"type": "dict", "required": True},
            "login": {"type": "list", "elements": "str", "default": []},
            "report_dir": {"type": "path", "required": True},
            "start_timeout": {"type": "float", "default": 300.0},
            "run_time": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run(module, follow)


if __name__ == "__main__":
    main()
