#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_smoke_test
short_description: Prove a tracking server with the real MLflow client
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Does what a data scientist does on the first day - experiment, run, params, metrics, C(log_batch), a trace, an
    artifact up and down with equal SHA-256, a registered model version with an alias, a search - and removes it again.
  - In a deployment (O(runner)) nothing of it stays in the database. A server that is known by its URL alone can only mark
    the experiment and its run as deleted; M(mlops.mlflow.mlflow_gc) removes them for good.
requirements:
  - mlflow (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_operations
options:
  unless_proven:
    description:
      - Do nothing where just this server, with its version and secrets, was proven before. Each proof of a deployment's O(runner) is
        noted there, and one that fails is forgotten.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details: In check mode nothing is done.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run writes to the server and cleans up.
"""

EXAMPLES = r"""
- name: Prove the server
  mlops.mlflow.mlflow_smoke_test:
    url: http://127.0.0.1:5000
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Prove a deployment, unless it is as it was when it was last proven
  mlops.mlflow.mlflow_smoke_test:
    runner: "{{ mlflow_server_connection.runner }}"
    unless_proven: true
"""

RETURN = r"""
steps:
  description: One record for each step, in order. Empty in check mode, and where nothing was to be proven.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: One of experiment, run, log_batch, trace, artifact, registry, search, clean_up.
      type: str
      sample: artifact
    seconds:
      description: Seconds that the step took.
      type: float
      sample: 0.12
    message:
      description: What was seen.
      type: str
      sample: 256 KiB up and down, SHA-256 8f4343466648
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import (
    SERVER_ARGS,
    SERVER_EXCLUSIVE,
    SERVER_TOGETHER,
    run,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out, deployment_of


def prove(module: AnsibleModule) -> dict[str, Any]:
    # changed stays false: what was written was removed.
    deployment = deployment_of(module)
    if deployment is None:
        return {"changed": False, **carry_out(module, "smoke", {})}
    serving = deployment.serving()
    if module.params["unless_proven"] and serving and deployment.proven() == serving:
        return {"changed": False, "steps": []}
    if not module.check_mode:
        deployment.note_proven("")  # what fails, or is cut off, leaves no proof
    found = carry_out(module, "smoke", {})
    if not module.check_mode and not found.get("failed") and deployment.serving() == serving:
        deployment.note_proven(serving)
    return {"changed": False, **found}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**SERVER_ARGS, **RUNNER_ARGS, "unless_proven": {"type": "bool", "default": False}},
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=SERVER_TOGETHER,
        supports_check_mode=True,
    )
    run(module, prove)


if __name__ == "__main__":
    main()
