#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_host_user_info
short_description: Say who runs a deployment on a host, where nobody is named
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Under root and systemd a new deployment gets a system user with the name of the deployment. One that root runs
    already stays root's.
  - Changes nothing; the role P(mlops.mlflow.host_prerequisites#role) makes the user.
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
  home:
    description:
      - Folder of the deployment, which is C(mlflow_data_dir).
    type: path
    required: true
  name:
    description:
      - Name of the deployment.
    type: str
    required: true
seealso:
  - module: mlops.mlflow.mlflow_host_folders
"""

EXAMPLES = r"""
- name: Choose who runs MLflow
  mlops.mlflow.mlflow_host_user_info:
    home: /var/lib/mlflow
    name: mlflow
  register: chosen
"""

RETURN = r"""
user:
  description: The system user; empty for the user whom the task runs as.
  returned: success
  type: str
  sample: mlflow
reason:
  description: Why, in a sentence.
  returned: success
  type: str
  sample: A system user mlflow is made for this deployment.
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import account, inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def choose(module: AnsibleModule) -> dict[str, Any]:
    user, reason = account.choose(module.params["home"], module.params["name"], inspect.has_systemd())
    return {"changed": False, "user": user, "reason": reason}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"home": {"type": "path", "required": True}, "name": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    run(module, choose)


if __name__ == "__main__":
    main()
