#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_reservation
short_description: Reserve a deployment for several operations, as an upgrade does
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Each operation that changes data holds the deployment's lock while it runs. What takes several of them reserves the
    deployment besides - a restore, a removal, a migration, or a deployment that carries another O(reservation) is
    refused then, and told for what, since when and by whom it is reserved. Backups go on, but remove no snapshots.
  - The note is kept with the database, and stays when whoever made it dies. O(instead_of) takes it over.
  - In check mode it only reads the note.
extends_documentation_fragment:
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_runner
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Reserving says anew since when.
options:
  state:
    description:
      - Whether the deployment shall be reserved as O(reservation). V(absent) takes nobody else's reservation away,
        unless O(instead_of) names it.
    type: str
    choices: [present, absent]
    default: present
  purpose:
    description:
      - What it is reserved for, for who is refused meanwhile.
    type: str
    default: several operations
  kept:
    description:
      - Short texts that whoever takes the reservation over must know. Without them, what was noted before stays.
    type: dict
    default: {}
  instead_of:
    description:
      - Id of another reservation, whose place this one takes. Only when what made it has ended.
    type: str
    default: ""
  holder:
    description:
      - Who reserves it. Without it, this controller and the process of the playbook there.
    type: str
    default: ""
  database_uri:
    description:
      - URI of the backend store without its password. Required without O(runner), whose database it is otherwise.
    type: str
  database_password_file:
    description:
      - File that holds the password of the user in O(database_uri).
    type: path
  deadline:
    description:
      - Seconds after which it ends itself.
    type: float
    default: 300.0
seealso:
  - module: mlops.mlflow.mlflow_restore
  - module: mlops.mlflow.mlflow_schema
"""

EXAMPLES = r"""
- name: Keep others from changing data
  mlops.mlflow.mlflow_reservation:
    runner: "{{ mlflow_backup_connection.runner }}"
    reservation: moving-2026-11
    purpose: a move to another database

- name: Release it
  mlops.mlflow.mlflow_reservation:
    runner: "{{ mlflow_backup_connection.runner }}"
    reservation: moving-2026-11
    state: absent
"""

RETURN = r"""
held:
  description:
    - The reservation of the deployment after the task, in check mode before it. Empty where there is none.
    - C(ended) says whether the process of its holder is known to be gone, because it ran on this controller.
  returned: success
  type: dict
  sample:
    id: moving-2026-11
    purpose: a move to another database
    since: 2026-11-26T00:12Z
    holder: ops1 process 4711
    kept: {revision: 1a2b3c4d5e6f}
    ended: false
refused:
  description: In check mode, why the deployment could not be reserved; empty where it could be.
  returned: success
  type: str
  sample: ""
revision:
  description: The revisions of the deployment's schemas, as one text that changes when one of them does.
  returned: success
  type: str
  sample: 1a2b3c4d5e6f
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out_without_server

_OPTIONS = ("state", "purpose", "kept", "instead_of", "holder", "database_uri", "database_password_file")


def reserve(module: AnsibleModule) -> dict[str, Any]:
    options = {name: module.params[name] for name in _OPTIONS}
    return carry_out_without_server(module, "reserve", options, deadline=module.params["deadline"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUNNER_ARGS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "purpose": {"type": "str", "default": "several operations"},
            "kept": {"type": "dict", "default": {}},
            "instead_of": {"type": "str", "default": ""},
            "holder": {"type": "str", "default": ""},
            "database_uri": {"type": "str"},
            "database_password_file": {"type": "path", "no_log": False},
            "deadline": {"type": "float", "default": 300.0},
        },
        required_one_of=[("runner", "database_uri")],
        supports_check_mode=True,
    )
    run(module, reserve)


if __name__ == "__main__":
    main()
