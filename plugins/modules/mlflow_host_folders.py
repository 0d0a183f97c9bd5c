#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_host_folders
short_description: Make and remove the folders of an MLflow deployment on a host
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes the folders of a deployment with the owner, group and mode that each must have, whatever the umask is.
  - With a system user, programs, configuration and secrets are root's and may be read by the user's group, data is the
    user's, and no link is followed. Without one everything is the present user's.
  - Notes in O(home), in a file of root's, what it made. A folder that holds something it did not make, and a user that
    this deployment did not make, are refused with the remedy. Only what was made is removed.
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
    details: In check mode what cannot be is refused as well, which makes it a check before anything is changed.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  home:
    description:
      - Folder of the deployment, which is C(mlflow_data_dir). Others may lie in it or elsewhere.
    type: path
    required: true
  programs:
    description:
      - Folders of programs, configuration and secrets.
    type: list
    elements: path
    default: []
  data:
    description:
      - Folders of the O(user), such as those of a database or of artifacts.
    type: list
    elements: path
    default: []
  snapshots:
    description:
      - Folders of the O(user) that hold snapshots, of any number of deployments.
    type: list
    elements: path
    default: []
  user:
    description:
      - System user of the deployment, with a group of the same name. Empty means the user that Ansible is.
    type: str
    default: ''
  user_existing:
    description:
      - Whether O(user) may be an account that this deployment did not make.
    type: bool
    default: false
  existing:
    description:
      - Whether folders may be used that hold what this deployment did not put there. They keep owner and mode, and are never
        removed.
    type: bool
    default: false
  name:
    description:
      - Name of the deployment. A O(home) of another one is refused.
    type: str
    default: ''
  state:
    description:
      - V(absent) removes the folders that this deployment made, O(home) only when nothing is left in it or elsewhere.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Make the folders of a server and of its artifacts
  mlops.mlflow.mlflow_host_folders:
    home: /var/lib/mlflow
    programs: [/var/lib/mlflow/server]
    data: [/srv/artifacts]
    user: mlflow

- name: Remove the artifacts, and the deployment's folder where nothing is left in it
  mlops.mlflow.mlflow_host_folders:
    home: /var/lib/mlflow
    data: [/srv/artifacts]
    state: absent
"""

RETURN = r"""
folders:
  description: What was made or changed, or would be.
  returned: for O(state=present)
  type: list
  elements: str
  sample: [/var/lib/mlflow, /var/lib/mlflow/server]
removed:
  description: What was removed, or would be.
  returned: for O(state=absent)
  type: list
  elements: str
  sample: [/srv/artifacts]
kept:
  description: What was named and not removed, with the reason.
  returned: for O(state=absent)
  type: dict
  sample: {"/var/lib/mlflow": "it holds what is left"}
left:
  description: All that is left of the deployment on the host.
  returned: for O(state=absent)
  type: list
  elements: str
  sample: [/var/lib/mlflow/backup]
user_made:
  description: Whether this deployment made the O(user).
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import folders
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def act(module: AnsibleModule) -> dict[str, Any]:
    params = dict(module.params)
    absent = params.pop("state") == "absent"
    wanted = folders.Folders(**params)
    made = bool(wanted.account and folders.made_account(wanted.account, wanted.home))
    if absent:
        named = [*wanted.programs, *wanted.data, *wanted.snapshots]
        result = folders.remove(wanted.home, named or [wanted.home], module.check_mode, wanted.name)
        return {"changed": bool(result.removed), **vars(result), "user_made": made}
    changed = wanted.make(module.check_mode)
    return {"changed": bool(changed), "folders": changed, "user_made": made}


def main() -> None:
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "programs": paths,
            "data": paths,
            "snapshots": paths,
            "user": {"type": "str", "default": ""},
            "user_existing": {"type": "bool", "default": False},
            "existing": {"type": "bool", "default": False},
            "name": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run(module, act)


if __name__ == "__main__":
    main()
