# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: blob_connection
short_description: Make the connection of a container of Azure Blob
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says how a container is reached, as the other roles take it. Holds no secret, only where a key lies; without one, pods
    have an identity of their own.
positional: secret, key
options:
  _input:
    description: URI of the container, such as V(wasbs://container@account.blob.core.windows.net).
    type: str
    required: true
  secret:
    description: Kubernetes Secret with what opens the account.
    type: str
    default: ""
  key:
    description: Which key of the Secret that is.
    type: str
    choices: [account-key, connection-string]
    default: account-key
"""

EXAMPLES = r"""
- name: Show a connection
  ansible.builtin.debug:
    msg: "{{ 'wasbs://artifactroot@mlflow0aa3981a.blob.core.windows.net' | mlops.mlflow.blob_connection }}"
"""

RETURN = r"""
_value:
  description: The connection; where it cannot be one only C(errors), the sentences, which no connection has.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def connection(uri: str, secret: str = "", key: str = "account-key") -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.connection import container

    try:
        return container(uri, secret, key)
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"blob_connection": connection}
