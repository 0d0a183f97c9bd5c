#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: aws_ownership
short_description: Say which things of an account a deployment made
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Finds things by their names, and tells those that carry the deployment's tag from those that somebody else made. The
    tag is C(mlops.mlflow/deployment) with the region and the name of the deployment.
  - Things without it that carry C(managed-by=mlops.mlflow) count as the deployment's, because those of earlier versions
    do.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_aws
  - mlops.mlflow.aws
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the deployment, which is in the tag.
    type: str
    required: true
  resources:
    description:
      - Names by kind. Kinds are C(addon), C(bucket), C(cluster), C(database) (of RDS), C(file_system) (of EFS, by its
        creation token), C(key) (of KMS, by its alias without C(alias/)), C(launch_template), C(log_group),
        C(parameter_group), C(provider) (of identities, by its issuer), C(repository), C(role), C(secret),
        C(security_group), C(subnet_group) and C(vpc) (by its tag C(Name)).
    type: dict
    required: true
  tags:
    description:
      - Tags that things of the deployment get besides.
    type: dict
    default: {}
  vpc:
    description:
      - Id of the network that security groups are of. Without one there are none.
    type: str
    default: ""
  cluster:
    description:
      - Name of the cluster of EKS that add-ons are of. Without one there are none.
    type: str
    default: ""
  deployment:
    description:
      - What the tag says, of things that are in another region than their deployment.
    type: str
    default: ""
  state:
    description:
      - V(inspected) changes nothing. V(marked) gives the tag to those of the things that nobody has marked, for what has
        just been made by a module that cannot tag it.
    type: str
    choices: [inspected, marked]
    default: inspected
"""

EXAMPLES = r"""
- name: Find what of these names is there, and whose it is
  mlops.mlflow.aws_ownership:
    region: us-west-2
    name: mlflow
    resources:
      role: [mlflow-server]
      bucket: [mlflow-123456789012-artifacts]
    tags: {team: ml-platform}
  register: found

- name: Take nothing that somebody else made
  ansible.builtin.assert:
    that: found.refusals | length == 0
    fail_msg: "{{ found.refusals | join(' ') }}"

- name: Mark a repository that was just created
  mlops.mlflow.aws_ownership:
    region: us-west-2
    name: mlflow
    resources:
      repository: [mlflow]
    state: marked
"""

RETURN = r"""
tags:
  description: O(tags) and that of the deployment, to be given to all that it makes.
  returned: success
  type: dict
  sample: {mlops.mlflow/deployment: us-west-2/mlflow, team: ml-platform}
ours:
  description: Those that the deployment made; their ids by kind and name. Each kind is there.
  returned: success
  type: dict
foreign:
  description: What each of the others is.
  returned: success
  type: list
  elements: str
  sample: [role of IAM mlflow-server]
refusals:
  description: A sentence for each of the others, with the command of AWS CLI by which it becomes the deployment's.
  returned: success
  type: list
  elements: str
marked:
  description: What got the tag, or in check mode would.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import ownership
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def inspect(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    place = ownership.Place(lambda service: _aws.service_of(module, service), params["vpc"], params["cluster"])
    deployment = params["deployment"] or ownership.deployment(place, params["name"])
    marked = []
    if params["state"] == "marked":
        marked = ownership.mark(place, deployment, params["resources"], module.check_mode)
    found = ownership.inspect(place, deployment, params["resources"], params["tags"])
    return {"changed": bool(marked), "marked": marked, **found}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            "name": {"type": "str", "required": True},
            "resources": {"type": "dict", "required": True},
            "tags": {"type": "dict", "default": {}},
            "vpc": {"type": "str", "default": ""},
            "cluster": {"type": "str", "default": ""},
            "deployment": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["inspected", "marked"], "default": "inspected"},
        },
        mutually_exclusive=_aws.EXCLUSIVE,
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, inspect)


if __name__ == "__main__":
    main()
