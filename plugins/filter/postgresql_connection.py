# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_connection
short_description: Say how an external PostgreSQL is reached
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Checks the URI of an external PostgreSQL and turns it into a connection.
positional: []
options:
  _input:
    description: SQLAlchemy URI with driver, user, host and database, without a password.
    type: str
    required: true
  password_file:
    description: File with the user's password.
    type: str
    required: true
  owner:
    description: Role that may change the schema; empty for the user itself.
    type: str
    default: ''
  owner_password_file:
    description: File with the owner's password.
    type: str
    default: ''
  auth_uri:
    description: URI of the database of users and permissions; empty for C(<database>_auth).
    type: str
    default: ''
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
  description: The connection.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import postgresql_connection
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def connection(uri: str, **options: str) -> dict[str, Any]:
    try:
        return postgresql_connection(uri, **options)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"postgresql_connection": connection}
