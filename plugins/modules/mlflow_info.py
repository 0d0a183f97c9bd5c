#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_info
short_description: Read what an MLflow tracking server is and holds
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads version, capabilities, store types, authentication mode and the number of experiments, runs and registered
    models through the REST API. Changes nothing.
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_operations
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  count_limit:
    description:
      - Stop counting each kind at this number, because counting pages through the server. V(0) counts nothing.
    type: int
    default: 10000
"""

EXAMPLES = r"""
- name: Read what a server holds
  mlops.mlflow.mlflow_info:
    url: http://127.0.0.1:5000
  register: mlflow

- name: Report it
  ansible.builtin.debug:
    msg: "MLflow {{ mlflow.version }} holds {{ mlflow.runs.count }} runs"
"""

RETURN = r"""
url:
  description: The server that was asked.
  returned: success
  type: str
  sample: http://127.0.0.1:5000
version:
  description: The server's version.
  returned: success
  type: str
  sample: 3.17.2
capabilities:
  description:
    - What the server's C(server-info) says, among it C(store_type).
    - C(artifact_serving_enabled) is always there. Where the server does not say it, it is asked for artifacts.
  returned: success
  type: dict
  sample: {"store_type": "SqlStore", "artifact_serving_enabled": true}
auth:
  description: V(basic) when an anonymous reader is turned away, else V(none).
  returned: success
  type: str
  sample: none
fast_store:
  description:
    - Whether the fast store serves (see C(docs/fast_store.md)). V(on), V(off), or V(stepped aside) and the reason, such as
      a version of MLflow that it is not proven with.
  returned: success
  type: str
  sample: "off"
experiments:
  description: Number of active experiments. Its C(exact) is false when counting stopped at the limit.
  returned: when O(count_limit) is not 0
  type: dict
  sample: {"count": 12, "exact": true}
runs:
  description: Number of active runs in the counted experiments.
  returned: when O(count_limit) is not 0
  type: dict
  sample: {"count": 10000, "exact": false}
registered_models:
  description: Number of registered models.
  returned: when O(count_limit) is not 0
  type: dict
  sample: {"count": 3, "exact": true}
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


def read(module: AnsibleModule) -> dict[str, Any]:
    return {"changed": False, **carry_out(module, "info", {"count_limit": module.params["count_limit"]})}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**SERVER_ARGS, **RUNNER_ARGS, "count_limit": {"type": "int", "default": 10000}},
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=SERVER_TOGETHER,
        supports_check_mode=True,
    )
    run(module, read)


if __name__ == "__main__":
    main()
