#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_backup_info
short_description: List snapshots, and read them again to see whether they are whole
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Lists the snapshots of a destination, the newest first.
  - Says whether one is overdue, and where asked to reads a snapshot again and holds every object against its hash.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_snapshot
  - mlops.mlflow.snapshot
  - mlops.mlflow.runner
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  snapshot:
    description:
      - Id of the snapshot to verify, or its unique beginning. Without it the newest of O(name).
    type: str
  verify:
    description:
      - V(all) reads every object again, V(sample) a random part and looks whether all of them exist, V(none) nothing.
      - Without it V(none), or what the runner says.
    type: str
    choices: [none, sample, all]
  sample_percent:
    description:
      - How much is read for O(verify=sample).
      - Without it V(10), or what the runner says.
    type: float
  max_age_hours:
    description:
      - How old the newest snapshot may be. V(0) means any age.
      - Without it V(0), or what the runner says.
    type: float
  result_file:
    description:
      - File on the host in which scheduled backups write how they ended, as the role P(mlops.mlflow.mlflow_backup#role)
        sets it up.
    type: path
  fail_when_unhealthy:
    description:
      - Whether the task fails when there are problems.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Fail when there is no snapshot of the last 26 hours, and verify a tenth of it
  mlops.mlflow.mlflow_backup_info:
    destination: /srv/backup/mlflow
    max_age_hours: 26
    verify: sample
    fail_when_unhealthy: true
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
snapshots:
  description:
    - The snapshots that can be read, the newest first. Each has the keys that M(mlops.mlflow.mlflow_backup) returns in
      RV(mlops.mlflow.mlflow_backup#module:snapshot).
  returned: success
  type: list
  elements: dict
  sample: [{id: 20261121T020000.123Z-8ea95121a0240df3, name: mlflow, size: 31000000, new_bytes: 410671}]
damaged:
  description: Snapshots whose manifest cannot be believed (C(id)), and the reason (C(problem)).
  returned: success
  type: list
  elements: dict
  sample: []
verified:
  description: The C(snapshot) that was read again, how many C(objects), their C(size) in bytes, and the C(problems).
  returned: success
  type: dict
  sample: {snapshot: 20261121T020000.123Z-8ea95121a0240df3, objects: 121, size: 31000000, problems: []}
last_run:
  description: How the last scheduled backup ended - whether it failed (C(failed_run)), its C(message), when it C(finished).
  returned: success
  type: dict
  sample: {failed_run: false, message: "", finished: "2026-11-21T02:01:10.456+00:00"}
problems:
  description: Everything that is wrong, one sentence each.
  returned: success
  type: list
  elements: str
  sample: [the newest snapshot is 50.1 h old, and 26 h are allowed]
healthy:
  description: Whether there are no problems.
  returned: success
  type: bool
  sample: true
verdict:
  description:
    - V(healthy), or the word for what is the matter, and why.
    - C(broken) - snapshots are damaged, missing or too old, or the last backup failed.
    - C(could not look) - the destination does not answer, or a library is missing. That says nothing about the snapshots.
    - C(not allowed to look) - rights or keys do not suffice. That says nothing about the snapshots, either.
  returned: success
  type: str
  sample: healthy
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run
from ansible_collections.mlops.mlflow.plugins.module_utils._snapshot import (
    SNAPSHOT_ARGS,
    SNAPSHOT_TOGETHER,
    carry_out_on_snapshots,
)


def gather(module: AnsibleModule) -> dict[str, Any]:
    found = carry_out_on_snapshots(module, "backup-info")
    if found["problems"] and module.params["fail_when_unhealthy"]:
        module.fail_json(msg=f"The backups are {found['verdict']}", **found)
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SNAPSHOT_ARGS,
            "snapshot": {"type": "str"},
            "verify": {"type": "str", "choices": ["none", "sample", "all"]},
            "sample_percent": {"type": "float"},
            "max_age_hours": {"type": "float"},
            "result_file": {"type": "path"},
            "fail_when_unhealthy": {"type": "bool", "default": False},
        },
        required_together=SNAPSHOT_TOGETHER,
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
