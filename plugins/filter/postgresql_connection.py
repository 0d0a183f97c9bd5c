# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_connection
short_description: Say how a PostgreSQL is reached
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Checks the URI of a PostgreSQL and turns it into a connection.
positional: []
options:
  _input:
    description: SQLAlchemy URI with driver, user, host and database, without a password.
    type: str
    required: true
  password_file:
    description: File with the user's password.
    type: str
    default: ''
  secret:
    description: Kubernetes Secret with the passwords, instead of files; the user's is under C(password).
    type: str
    default: ''
  owner:
    description: Role that may change the schema; empty for the user itself.
    type: str
    default: ''
  owner_password_file:
    description: File with the owner's password.
    type: str
    default: ''
  owner_secret:
    description: Kubernetes Secret with the owner's password, where it is not O(secret).
    type: str
    default: ''
  owner_key:
    description: Key of the owner's password in that Secret.
    type: str
    default: owner-password
  auth_uri:
    description: URI of the database of users and permissions; empty for C(<database>_auth).
    type: str
    default: ''
  max_connections:
    description: Connections that the database offers; empty where that is not known.
    type: str
    default: ''
  authority:
    description: Deployment in a cluster by whose own authority the server is verified; empty for nobody's.
    type: str
    default: ''
  type:
    description: The type of the component.
    type: str
    default: external_postgresql
  more:
    description: What else the connection says, such as the objects that are applied for the database.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show a connection
  ansible.builtin.debug:
    msg: >-
      {{ 'postgresql+psycopg://mlflow@db.example.com/mlflow'
         | mlops.mlflow.postgresql_connection(password_file='/etc/mlflow/password') }}
"""

RETURN = r"""
_value:
  description: The connection; with a wrong URI only C(errors), the sentences, which no connection has.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_connection import (
    postgresql_connection,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def connection(uri: str, **options: Any) -> dict[str, Any]:
    try:
        return postgresql_connection(uri, **options)
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"postgresql_connection": connection}
