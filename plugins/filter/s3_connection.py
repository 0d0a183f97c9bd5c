# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: s3_connection
short_description: Make the connection of an S3 bucket
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says how a bucket is reached, as the other roles take it. Holds no secret, only where the keys lie; without them,
    whoever asks has an identity of its own.
positional: region
options:
  _input:
    description: URI of the bucket, such as V(s3://bucket/prefix).
    type: str
    required: true
  region:
    description: Region of the bucket.
    type: str
    required: true
  endpoint:
    description: URL of the store. Empty for AWS.
    type: str
    default: ""
  create:
    description: Whether a bucket that is missing is to be created.
    type: bool
    default: false
  secret:
    description: Kubernetes Secret with the keys C(access-key) and C(secret-key).
    type: str
    default: ""
  access_key_file:
    description: File with the access key, where there is no Secret.
    type: str
    default: ""
  secret_key_file:
    description: File with the secret key.
    type: str
    default: ""
  authority:
    description: Deployment in a cluster by whose own authority the store is verified; empty for nobody's.
    type: str
    default: ""
  type:
    description: The type of the component.
    type: str
    default: external_s3
  more:
    description: What else the connection says, such as the objects that are applied for the store.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show a connection
  ansible.builtin.debug:
    msg: "{{ 's3://mlflow' | mlops.mlflow.s3_connection('eu-central-1', secret='mlflow-artifacts') }}"
"""

RETURN = r"""
_value:
  description: The connection; where it cannot be one only C(errors), the sentences, which no connection has.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def connection(uri: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.connection import bucket

    try:
        return bucket(uri, *arguments, **options)
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"s3_connection": connection}
