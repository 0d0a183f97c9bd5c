#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_restore
short_description: Restore a snapshot, or prove that it could be
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Loads a snapshot beside the live data, holds every byte against its hash, compares rows and artifacts with the
    manifest, and only then puts it in the place of the live data. On any failure the old data is still there.
  - The target may be another one than the snapshot was taken of, with the same kind of database.
  - The servers must be stopped. A database that is in use is refused, because what is written meanwhile would be lost.
  - The roles of PostgreSQL are those of the target - the user in O(database_uri) owns what is restored, and must own the
    live database and be allowed to create databases (C(ALTER ROLE ... CREATEDB)).
  - Artifacts in a bucket cannot be exchanged at once. What is missing is added, what differs is replaced and put back on a
    failure, and what the snapshot does not know stays.
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
    details: In check mode everything is looked at that could make the restore be refused, but nothing is loaded.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run restores.
options:
  state:
    description:
      - V(present) restores, or drills.
      - V(cleaned) removes what an earlier restore of the same target moved aside, as O(replaced) names it.
    type: str
    choices: [present, cleaned]
    default: present
  replaced:
    description:
      - What RV(replaced) of an earlier restore named, for O(state=cleaned).
    type: list
    elements: str
  snapshot:
    description:
      - Id of the snapshot, its unique beginning, or V(latest).
      - Without it V(latest), or what the runner says.
    type: str
  drill:
    description:
      - Only prove that it could be restored - databases are loaded beside the live ones and compared, every artifact is
        read and held against its hash; then all is removed again. The servers go on serving.
      - Without it V(false), or what the runner says.
    type: bool
  databases_only:
    description:
      - Whether the artifacts are left as they are.
    type: bool
    default: false
  grantee:
    description:
      - PostgreSQL role of the servers, where it is another than the one in O(database_uri). It gets the right to read and
        write rows.
    type: str
  keep_replaced:
    description:
      - Whether what was replaced stays beside the new, under the names in RV(replaced).
      - Without it V(true), or what the runner says.
    type: bool
  journal_dir:
    description:
      - Folder on the host in which a restore without PostgreSQL notes what it moves, so that the next one can bring back what
        was there should this one be cut off. Nobody but the user who restores (and root) may write there.
      - By default C(/var/lib/mlops.mlflow/restore) for root, and C(mlops.mlflow/restore) in C($XDG_STATE_HOME) or
        C(~/.local/state) for others. With PostgreSQL the note is a comment of the database that is loaded.
    type: path
seealso:
  - module: mlops.mlflow.mlflow_backup
"""

EXAMPLES = r"""
- name: Prove that the newest snapshot can be restored
  mlops.mlflow.mlflow_restore:
    destination: /srv/backup/mlflow
    drill: true
    database_uri: sqlite:////var/lib/mlflow/database/mlflow.db
    artifacts_uri: /var/lib/mlflow/artifacts
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Prove the newest snapshot of a deployment of any platform
  mlops.mlflow.mlflow_restore:
    runner: "{{ mlflow_backup_connection.runner }}"
    drill: true

- name: Bring one back
  mlops.mlflow.mlflow_restore:
    destination: /srv/backup/mlflow
    snapshot: 20261121T020000.123Z-8ea95121a0240df3
    database_uri: sqlite:////var/lib/mlflow/database/mlflow.db
    artifacts_uri: /var/lib/mlflow/artifacts
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
removed:
  description: What was removed, in check mode would be.
  returned: for O(state=cleaned)
  type: list
  elements: str
  sample: [mlflow_before_20261121153908123]
snapshot:
  description: The snapshot that was restored or tried.
  returned: success
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
secrets:
  description: Per secret of the snapshot whether the one given is V(same), V(another) or V(not given).
  returned: success
  type: dict
  sample: {flask-secret-key: same}
rows:
  description: Rows per table of what was loaded, per database. They are those of the snapshot, or the restore failed.
  returned: success, not in check mode
  type: dict
  sample: {tracking: {runs: 5000}}
live_rows:
  description: Rows per table of the live databases before.
  returned: success
  type: dict
  sample: {tracking: {runs: 5003}}
artifacts:
  description: Artifacts that were read and held against their hashes.
  returned: success
  type: int
  sample: 120
replaced:
  description: Files, folders and databases that hold what was live before.
  returned: success
  type: list
  elements: str
  sample: [mlflow_before_20261121153908123]
notes:
  description: What a person should know, one sentence each.
  returned: success
  type: list
  elements: str
  sample: [the secret flask-secret-key is another than when the snapshot was taken]
seconds:
  description: How long each step took.
  returned: success
  type: dict
  sample: {tracking: 9.2, artifacts: 0.5, exchange: 0.01}
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


def restore(module: AnsibleModule) -> dict[str, Any]:
    return carry_out_on_snapshots(module, "restore", say=logging_to(module.params["progress_file"]))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SNAPSHOT_ARGS,
            **SNAPSHOT_DATA_ARGS,
            "state": {"type": "str", "choices": ["present", "cleaned"], "default": "present"},
            "replaced": {"type": "list", "elements": "str"},
            "snapshot": {"type": "str"},
            "drill": {"type": "bool"},
            "databases_only": {"type": "bool", "default": False},
            "grantee": {"type": "str"},
            "keep_replaced": {"type": "bool"},
            "journal_dir": {"type": "path"},
            **PROGRESS_ARGS,
        },
        required_together=SNAPSHOT_TOGETHER,
        required_if=[("state", "cleaned", ["replaced"])],
        supports_check_mode=True,
    )
    run(module, restore)


if __name__ == "__main__":
    main()
