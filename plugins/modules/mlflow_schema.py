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
  - mlflow and the database driver (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.runner
  - mlops.mlflow.progress
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_runner
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
      - Required without O(runner), whose database it is otherwise.
    type: str
  password_file:
    description:
      - File on the host that holds the password of the user in O(uri). In containers and pods it is where the
        deployment has put it.
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
      - File on the host that holds the administrator's first password. Needed with O(auth_uri). In containers and pods
        it is where the deployment has put it.
    type: path
  connections:
    description:
      - How many connections the database must offer. V(0) for any number.
    type: int
    default: 0
  wait_timeout:
    description:
      - Seconds in which the database must come up.
    type: float
    default: 0.0
  deadline:
    description:
      - Seconds after which it ends itself, unfinished. A migration is rolled back then.
    type: float
    default: 3600.0
"""

EXAMPLES = r"""
- name: Create the schema of a new server
  mlops.mlflow.mlflow_schema:
    runner: "{{ mlflow_server_connection.runner }}"
    uri: "{{ (mlflow_database_connection.owner | default(mlflow_database_connection, true)).uri }}"

- name: Create it on PostgreSQL as the owner, for servers that may not change it
  mlops.mlflow.mlflow_schema:
    uri: postgresql+psycopg://mlflow_owner@db.example.com:5432/mlflow
    password_file: /etc/mlflow/owner-password
    grantee: mlflow
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Migrate a schema, with the servers stopped and a snapshot taken
  mlops.mlflow.mlflow_schema:
    uri: postgresql+psycopg://mlflow_owner@db.example.com:5432/mlflow
    password_file: /etc/mlflow/owner-password
    migrate: true
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
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
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out_without_server

_SAME = ("grantee", "auth_uri", "admin_username", "admin_password_file", "migrate", "connections", "wait_timeout")


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    options = {"database_uri": params["uri"], "database_password_file": params["password_file"]}
    options |= {name: params[name] for name in _SAME}
    return carry_out_without_server(
        module, "schema", options, deadline=params["deadline"], say=logging_to(params["progress_file"])
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUNNER_ARGS,
            **PROGRESS_ARGS,
            "uri": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "grantee": {"type": "str"},
            "migrate": {"type": "bool", "default": False},
            "auth_uri": {"type": "str"},
            "admin_username": {"type": "str", "default": "admin"},
            "admin_password_file": {"type": "path", "no_log": False},
            "connections": {"type": "int", "default": 0},
            "wait_timeout": {"type": "float", "default": 0.0},
            "deadline": {"type": "float", "default": 3600.0},
        },
        required_one_of=[("runner", "uri")],
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
