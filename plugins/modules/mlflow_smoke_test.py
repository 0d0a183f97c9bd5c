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
  - The experiment and its run are soft-deleted, as the API does it. C(mlflow gc) removes them for good.
requirements:
  - mlflow (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_operations
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
"""

RETURN = r"""
steps:
  description: One record for each step, in order. Empty in check mode.
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
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out


def prove(module: AnsibleModule) -> dict[str, Any]:
    # changed stays false: what was written was removed.
    return {"changed": False, **carry_out(module, "smoke", {})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**SERVER_ARGS, **RUNNER_ARGS},
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=SERVER_TOGETHER,
        supports_check_mode=True,
    )
    run(module, prove)


if __name__ == "__main__":
    main()
