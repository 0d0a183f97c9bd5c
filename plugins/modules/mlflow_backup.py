#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_backup
short_description: Write a snapshot of a deployment, or remove old ones
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Writes one snapshot of databases and artifacts while the server runs. What the destination has already is not stored
    again, and an unchanged artifact is not even read.
  - The databases are dumped first, then the artifacts are read, so that everything the databases name is there. The
    tracking and the user database are two points in time, seconds apart.
  - A snapshot exists whole or not at all. One that was interrupted is no snapshot, and the next one uses what it stored.
  - The format is described in C(docs/snapshot_format.md) of the collection.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_snapshot
  - mlops.mlflow.snapshot
  - mlops.mlflow.progress
  - mlops.mlflow.runner
  - mlops.mlflow.snapshot.data
attributes:
  check_mode:
    support: full
    details: In check mode it is looked whether everything could be read and written.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Every run with O(state=present) writes a snapshot.
options:
  state:
    description:
      - V(present) writes a snapshot.
      - V(pruned) removes snapshots of O(name) that are older than O(keep_days) and not among the newest O(keep_count).
        What only they held is marked, and removed by a run at least O(max_hours) later.
    type: str
    choices: [present, pruned]
    default: present
  version:
    description:
      - Version of MLflow that is deployed, to be written into the snapshot.
    type: str
  reread:
    description:
      - Whether artifacts are read again that have the size and time (or ETag) that they had in the snapshot before.
      - Without it V(false), or what the runner says.
    type: bool
  max_hours:
    description:
      - The longest that a backup may take. Must be the same wherever one destination is written or pruned.
      - Without it V(24), or what the runner says.
    type: float
  keep_days:
    description:
      - Snapshots younger than this stay.
      - Without it V(30), or what the runner says.
    type: float
  keep_count:
    description:
      - So many of the newest snapshots stay, whatever their age. At least 1.
      - Without it V(7), or what the runner says.
    type: int
  prune:
    description:
      - Whether old snapshots are removed afterwards, as by O(state=pruned).
    type: bool
    default: false
seealso:
  - module: mlops.mlflow.mlflow_backup_info
  - module: mlops.mlflow.mlflow_restore
"""

EXAMPLES = r"""
- name: Back up a SQLite database and a folder of artifacts
  mlops.mlflow.mlflow_backup:
    destination: /srv/backup/mlflow
    database_uri: sqlite:////var/lib/mlflow/database/mlflow.db
    artifacts_uri: /var/lib/mlflow/artifacts
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Back up PostgreSQL and a bucket into another bucket
  mlops.mlflow.mlflow_backup:
    destination: s3://backups/mlflow
    endpoint: https://s3.example.com
    access_key_file: /etc/mlflow/backup-access-key
    secret_key_file: /etc/mlflow/backup-secret-key
    encryption: AES256
    database_uri: postgresql+psycopg://mlflow@db.example.com:5432/mlflow
    auth_uri: postgresql+psycopg://mlflow@db.example.com:5432/mlflow_auth
    database_password_file: /etc/mlflow/database-password
    artifacts_uri: s3://models/mlflow
    artifacts_endpoint: https://s3.example.com
    artifacts_access_key_file: /etc/mlflow/artifacts-access-key
    artifacts_secret_key_file: /etc/mlflow/artifacts-secret-key
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Back up a deployment of any platform, and remove old snapshots
  mlops.mlflow.mlflow_backup:
    runner: "{{ mlflow_backup_connection.runner }}"
    prune: true

- name: Remove snapshots that are older than 30 days, but never the last seven
  mlops.mlflow.mlflow_backup:
    destination: /srv/backup/mlflow
    state: pruned
    keep_days: 30
    keep_count: 7
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
snapshot:
  description: The snapshot that was written.
  returned: for O(state=present), not in check mode
  type: dict
  contains:
    id:
      description: Its name in the destination. It is unique, sorts by time, and ends with the hash of the manifest.
      type: str
      sample: 20261121T020000.123Z-8ea95121a0240df3
    name:
      description: Name of the deployment.
      type: str
      sample: mlflow
    created:
      description: When it was begun, in UTC. Databases and artifacts are as they were at some later moment each.
      type: str
      sample: "2026-11-21T02:00:00.123+00:00"
    finished:
      description: When it was whole.
      type: str
      sample: "2026-11-21T02:01:10.456+00:00"
    mlflow_version:
      description: Version of MLflow that was deployed, where it was told.
      type: str
      sample: 3.17.2
    databases:
      description:
        - Per database (C(tracking), C(auth)) its C(kind), C(server_version), schema C(revision), the moment C(taken) that
          it shows, C(rows) per table, C(size) in bytes and C(seconds).
      type: dict
      sample: {tracking: {kind: sqlite, rows: {runs: 5000}, size: 28000000, seconds: 0.3}}
    artifacts:
      description: Where they were (C(uri)), their C(count), C(size) in bytes and C(seconds). Empty where they were left out.
      type: dict
      sample: {uri: /var/lib/mlflow/artifacts, count: 120, size: 3000000, seconds: 0.4}
    left_out:
      description: What is not in it (C(what)) and C(why).
      type: list
      elements: dict
      sample: [{what: artifact 0/link, why: "a symbolic link, no file"}]
    secrets:
      description: Names of the secrets of which it has a fingerprint.
      type: list
      elements: str
      sample: [flask-secret-key]
    size:
      description: What a restore writes, in bytes.
      type: int
      sample: 31000000
    new_bytes:
      description: What it added to the destination, in bytes.
      type: int
      sample: 410671
pruned:
  description: What was removed.
  returned: for O(state=pruned), and with O(prune), not in check mode then
  type: dict
  contains:
    removed:
      description: Snapshots that were removed, in check mode that would be.
      type: list
      elements: str
      sample: [20261021T020000.123Z-8ea95121a0240df3]
    kept:
      description: Snapshots of this deployment that stay.
      type: list
      elements: str
      sample: [20261121T020000.123Z-dd090df84a5bcbbf]
    marked:
      description: Objects that no snapshot needs and that a later run will remove.
      type: int
      sample: 12
    deleted:
      description: Objects that were removed.
      type: int
      sample: 3
    freed:
      description: Their size in bytes.
      type: int
      sample: 25000000
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run
from ansible_collections.mlops.mlflow.plugins.module_utils._snapshot import (
    SNAPSHOT_ARGS,
    SNAPSHOT_DATA_ARGS,
    SNAPSHOT_TOGETHER,
    carry_out_on_snapshots,
)


def act(module: AnsibleModule) -> dict[str, Any]:
    return carry_out_on_snapshots(module, "backup", say=logging_to(module.params["progress_file"]))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SNAPSHOT_ARGS,
            **SNAPSHOT_DATA_ARGS,
            "state": {"type": "str", "choices": ["present", "pruned"], "default": "present"},
            "version": {"type": "str"},
            "reread": {"type": "bool"},
            "max_hours": {"type": "float"},
            "keep_days": {"type": "float"},
            "keep_count": {"type": "int"},
            "prune": {"type": "bool", "default": False},
            **PROGRESS_ARGS,
        },
        required_together=SNAPSHOT_TOGETHER,
        supports_check_mode=True,
    )
    run(module, act)


if __name__ == "__main__":
    main()
