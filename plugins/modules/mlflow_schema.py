#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema
short_description: Create MLflow's database schema once, migrate it on request, and refuse one that does not fit
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - An empty database gets the tables of the installed MLflow, under a lock, before any server starts.
  - A database whose schema fits is left alone.
  - An older schema is refused unless O(migrate) is set, a newer one always, and the message says what to do. Nothing is
    changed then.
  - MLflow itself would create or migrate a schema whenever a server starts, without a lock and without a backup.
requirements:
  - mlflow and the database driver (set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.run_as
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  uri:
    description:
      - SQLAlchemy URI of the backend store, with a driver and without a password.
      - For PostgreSQL its user must own the database, or be allowed to create tables in it.
    type: str
    required: true
  password_file:
    description:
      - File on the host that holds the password of the user in O(uri).
    type: path
  grantee:
    description:
      - PostgreSQL role of the servers. It gets the right to read and write rows, but not to change the schema.
    type: str
  auth_uri:
    description:
      - URI of the database of users and permissions, where basic authentication is wanted.
    type: str
  migrate:
    description:
      - Bring an older schema to what the installed MLflow needs, under the same lock, with MLflow's own migrations.
      - MLflow cannot take a schema back. Stop the servers and take a snapshot before, as the playbook C(upgrade) does.
    type: bool
    default: false
  admin_username:
    description:
      - Administrator that is created together with an empty user database.
    type: str
    default: admin
  admin_password_file:
    description:
      - File on the host that holds the administrator's first password. Needed with O(auth_uri).
    type: path
"""

EXAMPLES = r"""
- name: Create the schema of a new server
  mlops.mlflow.mlflow_schema:
    uri: sqlite:////var/lib/mlflow/database/mlflow.db
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Create it on PostgreSQL as the owner, for servers that may not change it
  mlops.mlflow.mlflow_schema:
    uri: postgresql+psycopg://mlflow_owner@db.example.com:5432/mlflow
    password_file: /etc/mlflow/owner-password
    grantee: mlflow

- name: Migrate a schema, with the servers stopped and a snapshot taken
  mlops.mlflow.mlflow_schema:
    uri: postgresql+psycopg://mlflow_owner@db.example.com:5432/mlflow
    password_file: /etc/mlflow/owner-password
    migrate: true
"""

RETURN = r"""
state:
  description: What was found - V(empty) (created now, or would be), V(current), V(older) (migrated now, or would be).
  returned: success
  type: str
  sample: current
revision:
  description: Schema revision after the task; the expected one in check mode.
  returned: success
  type: str
  sample: 1a2b3c4d5e6f
max_connections:
  description: Connections that the database offers to this user; none for SQLite.
  returned: success
  type: int
  sample: 97
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes
from ansible_collections.mlops.mlflow.plugins.module_utils._module import RUN_AS_ARGS, run, secret_of


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    return changes.ensure(
        params["uri"],
        secret_of(module, "password"),
        grantee=params["grantee"],
        auth_uri=params["auth_uri"],
        admin=params["admin_username"],
        migrate=params["migrate"],
        # In check mode the file may not exist yet.
        admin_password=None if module.check_mode else secret_of(module, "admin_password"),
        dry_run=module.check_mode,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUN_AS_ARGS,
            "uri": {"type": "str", "required": True},
            "password_file": {"type": "path", "no_log": False},
            "grantee": {"type": "str"},
            "migrate": {"type": "bool", "default": False},
            "auth_uri": {"type": "str"},
            "admin_username": {"type": "str", "default": "admin"},
            "admin_password_file": {"type": "path", "no_log": False},
        },
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
