#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_bucket
short_description: Prove that an S3 bucket can hold artifacts, and create it where it is missing
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Writes an object where artifacts go, reads it, and removes it again.
  - An endpoint that does not answer yet, or with an error of its own (429, 500, 502, 503, 504), is tried again for a
    while. What is refused is said at once, with the step and the remedy.
requirements:
  - boto3 (where O(runner) is not given, of the module's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_runner
attributes:
  check_mode:
    support: full
    details: In check mode it looks only whether the bucket is there.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  uri:
    description:
      - The bucket with the prefix of the artifacts, as in V(s3://mlflow/team-a).
    type: str
    required: true
  create:
    description:
      - Whether a bucket that is missing is created.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds in which the endpoint must answer without an error of its own.
    type: float
    default: 0.0
  endpoint:
    description:
      - URL of a store other than AWS. In containers and pods E(MLFLOW_S3_ENDPOINT_URL) of the deployment.
    type: str
  region:
    description:
      - Region of the bucket.
    type: str
  access_key_file:
    description:
      - File on the host that holds the access key. Without it what the cloud's own library finds, such as E(AWS_ACCESS_KEY_ID).
    type: path
  secret_key_file:
    description:
      - File on the host that holds the secret key.
    type: path
seealso:
  - module: mlops.mlflow.mlflow_schema
"""

EXAMPLES = r"""
- name: Prove the bucket of a deployment in containers, whose keys it has
  mlops.mlflow.mlflow_bucket:
    runner: "{{ mlflow_server_connection.runner }}"
    uri: s3://mlflow

- name: Create a bucket from here
  mlops.mlflow.mlflow_bucket:
    uri: s3://mlflow/team-a
    endpoint: https://s3.example.com
    access_key_file: /etc/mlflow/access-key
    secret_key_file: /etc/mlflow/secret-key
    create: true
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
bucket:
  description: Name of the bucket.
  returned: success
  type: str
  sample: mlflow
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out_without_server

_OPTIONS = ("uri", "create", "wait_timeout", "endpoint", "region", "access_key_file", "secret_key_file")


def prove(module: AnsibleModule) -> dict[str, Any]:
    return carry_out_without_server(module, "bucket", {name: module.params[name] for name in _OPTIONS})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUNNER_ARGS,
            "uri": {"type": "str", "required": True},
            "create": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 0.0},
            "endpoint": {"type": "str"},
            "region": {"type": "str"},
            "access_key_file": {"type": "path", "no_log": False},
            "secret_key_file": {"type": "path", "no_log": False},
        },
        required_together=[("access_key_file", "secret_key_file")],
        supports_check_mode=True,
    )
    run(module, prove)


if __name__ == "__main__":
    main()
