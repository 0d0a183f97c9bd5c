#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema_info
short_description: Say which schema a database has, and what an upgrade would do to it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads the schema revision of a backend store and compares it with what the installed MLflow needs.
  - Lists the migrations between both, classified, with the rows of the tables that they touch.
  - Changes nothing and imports no MLflow.
requirements:
  - mlflow and the database driver (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
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
    support: full
options:
  uri:
    description:
      - SQLAlchemy URI of the backend store, with a driver and without a password.
      - Required without O(runner), whose database it is otherwise.
    type: str
  password_file:
    description:
      - File on the host that holds the password of the user in O(uri) and O(auth_uri). In containers and pods it is
        where the deployment has put it.
    type: path
  auth_uri:
    description:
      - URI of the database of users and permissions, where basic authentication is used.
    type: str
  deadline:
    description:
      - Seconds after which it ends itself, unfinished.
    type: float
    default: 3600.0
"""

EXAMPLES = r"""
- name: Inspect the databases of a deployment of any platform
  mlops.mlflow.mlflow_schema_info:
    runner: "{{ mlflow_server_connection.runner }}"
    uri: "{{ (mlflow_database_connection.owner | default(mlflow_database_connection, true)).uri }}"

- name: Inspect them on Kubernetes with the image of another version, which is what an upgrade to it would find
  mlops.mlflow.mlflow_schema_info:
    runner: "{{ mlflow_server_connection.runner | combine({'image': 'registry.example.com/mlflow:3.17.2'}) }}"
    uri: "{{ (mlflow_database_connection.owner | default(mlflow_database_connection, true)).uri }}"

- name: See what an upgrade would do
  mlops.mlflow.mlflow_schema_info:
    uri: postgresql+psycopg://mlflow@db.example.com:5432/mlflow
    password_file: /etc/mlflow/database-password
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
state:
  description:
    - V(current), V(older), V(newer), V(empty), or V(foreign) (tables, but no MLflow revision).
  returned: success
  type: str
  sample: older
revision:
  description: The database's schema revision; empty where there is none.
  returned: success
  type: str
  sample: 0584bdc529eb
expected:
  description: The revision that the installed MLflow needs.
  returned: success
  type: str
  sample: dc11669786a5
pending:
  description:
    - The migrations that an upgrade would run, in order, each with its C(revision), its C(kind) and the C(rows) of the
      tables that it touches.
    - V(additive) adds tables, columns or indexes. V(rewriting) changes or locks what is there, for a time that grows with
      the rows. V(destructive) removes something. V(unknown) was read by nobody yet, and is to be treated as unsafe.
  returned: success
  type: list
  elements: dict
  sample: [{revision: bda7b8c39065, kind: rewriting, rows: {model_version_tags: 120}}]
space:
  description:
    - The C(size) of the backend store, what migrating it and going back may need (C(needed)), and what its disk has C(free),
      which is none where it is not on this host. In bytes.
  returned: success
  type: dict
  sample: {size: 28000000, needed: 56000000, free: 1900000000}
indexes:
  description: Those beyond MLflow's own that M(mlops.mlflow.mlflow_tune) has built. Migrations leave them in place.
  returned: success
  type: list
  elements: str
  sample: [runs_as_listed]
auth:
  description: The same of the user database, with the keys RV(state), RV(revision), RV(expected), RV(pending), RV(safe).
  returned: with O(auth_uri)
  type: dict
  sample: {state: current, revision: f1a2b3c4d5e6, expected: f1a2b3c4d5e6, pending: [], safe: true}
version:
  description: The version of MLflow that inspected them.
  returned: success
  type: str
  sample: 3.17.2
safe:
  description: Whether nothing but additive migrations are pending, in either database.
  returned: success
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out_without_server


def gather(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    options = {"database_uri": params["uri"], "database_password_file": params["password_file"]}
    options |= {"auth_uri": params["auth_uri"]}
    return {
        "changed": False,
        **carry_out_without_server(module, "schema-info", options, deadline=params["deadline"]),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUNNER_ARGS,
            "uri": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "auth_uri": {"type": "str"},
            "deadline": {"type": "float", "default": 3600.0},
        },
        required_one_of=[("runner", "uri")],
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
