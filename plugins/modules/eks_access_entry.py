#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: eks_access_entry
short_description: Let a role or user of IAM use an EKS cluster
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The access entry of a principal, with its groups in Kubernetes, and the policies of EKS that it has. Options that are
    not given stay as they are.
  - The cluster must take access entries, which its access mode says (see M(mlops.mlflow.eks_cluster_config)).
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_aws
  - mlops.mlflow.aws
  - mlops.mlflow.tags
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  cluster:
    description:
      - Name of the cluster. In check mode it need not exist yet.
    type: str
    required: true
    aliases: [cluster_name]
  principal:
    description:
      - ARN of the role or user. Of an assumed role it is that of the role itself.
    type: str
    required: true
    aliases: [principal_arn]
  type:
    description:
      - Who it is. All types but V(STANDARD) are of nodes, and take neither O(groups) nor O(policies). EKS does not change
        the type of an entry.
    type: str
    choices: [STANDARD, EC2, EC2_LINUX, EC2_WINDOWS, FARGATE_LINUX]
    default: STANDARD
  groups:
    description:
      - The only groups in Kubernetes, to which RoleBindings may refer. EKS refuses those that begin with C(system:).
    type: list
    elements: str
  username:
    description:
      - The name in Kubernetes. EKS chooses one where none is given.
    type: str
  policies:
    description:
      - The only policies of EKS.
    type: list
    elements: dict
    suboptions:
      policy:
        description:
          - Its name or ARN, such as V(AmazonEKSEditPolicy).
        type: str
        required: true
      namespaces:
        description:
          - What it is for. Without any it is for the whole cluster.
        type: list
        elements: str
        default: []
  state:
    description:
      - Whether there is an entry. Who has none has no access, unless the ConfigMap C(aws-auth) gives it.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Let a team deploy into its namespace
  mlops.mlflow.eks_access_entry:
    region: us-west-2
    cluster: mlflow
    principal: arn:aws:iam::123456789012:role/ml-platform
    groups: [ml-platform]
    policies:
      - policy: AmazonEKSEditPolicy
        namespaces: [mlflow]
      - policy: AmazonEKSViewPolicy

- name: Let it do so no longer
  mlops.mlflow.eks_access_entry:
    region: us-west-2
    cluster: mlflow
    principal: arn:aws:iam::123456789012:role/ml-platform
    state: absent
"""

RETURN = r"""
entry:
  description: The entry as it is then, or in check mode would be.
  returned: success
  type: dict
  contains:
    arn: {description: Its ARN. Empty where there is none yet or any more., returned: success, type: str}
    type: {description: Who it is., returned: success, type: str}
    groups: {description: Its groups in Kubernetes., returned: success, type: list, elements: str}
    username: {description: Its name in Kubernetes. Empty in check mode where EKS would choose one., returned: success, type: str}
    policies: {description: Its policies by their ARN and with their namespaces., returned: success, type: list, elements: dict}
    tags: {description: Its tags., returned: success, type: dict}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import access
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run

POLICY = {
    "policy": {"type": "str", "required": True},
    "namespaces": {"type": "list", "elements": "str", "default": []},
}


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    eks = _aws.service_of(module, "eks")
    if params["state"] == "absent":
        return access.remove(eks, params["cluster"], params["principal"], check)
    return access.ensure(eks, params["cluster"], params["principal"], params, check)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            **_aws.TAGS_ARGS,
            "cluster": {"type": "str", "required": True, "aliases": ["cluster_name"]},
            "principal": {"type": "str", "required": True, "aliases": ["principal_arn"]},
            "type": {"type": "str", "choices": list(access.TYPES), "default": access.STANDARD},
            "groups": {"type": "list", "elements": "str"},
            "username": {"type": "str"},
            "policies": {"type": "list", "elements": "dict", "options": POLICY},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        mutually_exclusive=_aws.EXCLUSIVE,
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
