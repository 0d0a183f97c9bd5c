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
  - mlops.mlflow.load
  - mlops.mlflow.cluster
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
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
"""

EXAMPLES = r"""
- name: Follow the Jobs that the role has started
  mlops.mlflow.mlflow_kubernetes_load_test:
    namespace: mlflow
    job: mlflow-load-4f0a9d1c22
    runner: "{{ mlflow_server_connection.runner }}"
    url: http://mlflow.mlflow.svc:5000
    settings: {run: mlops-load-4f0a9d1c22, users: 50}
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
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import kubernetes
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._load import LOAD_ARGS, followed, operating
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def follow(module: AnsibleModule) -> dict[str, Any]:
    given = module.params
    return followed(
        module,
        lambda: kubernetes.InCluster(
            operating(module), cluster_of(module), given["namespace"], given["name"], given["job"]
        ),
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **LOAD_ARGS,
            **CLUSTER_ARGS,
            "name": {"type": "str", "default": "mlflow"},
            "job": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run(module, follow)


if __name__ == "__main__":
    main()
