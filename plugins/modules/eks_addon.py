#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: eks_addon
short_description: Install an add-on of an EKS cluster, change it, or remove it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Such as the network plugin, DNS, or the driver of volumes. Options that are not given stay as they are.
  - An add-on that has failed is given to EKS again.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_aws
  - mlops.mlflow.aws
  - mlops.mlflow.progress
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
  name:
    description:
      - Name of the add-on, such as V(aws-ebs-csi-driver).
    type: str
    required: true
    aliases: [addon]
  version:
    description:
      - Its version, such as V(v1.20.4-eksbuild.1). V(default) is the one that EKS has for the version of the cluster, so
        that it follows the cluster. Without it, EKS chooses one for a new add-on.
    type: str
  configuration:
    description:
      - The only settings that differ from those of the add-on. C(aws eks describe-addon-configuration) says which there are.
    type: dict
  service_account_role:
    description:
      - ARN of the role of IAM that its service account assumes (IRSA). An add-on without one has the rights of the nodes.
    type: str
    aliases: [service_account_role_arn]
  resolve_conflicts:
    description:
      - What becomes of fields in the cluster that somebody else has changed, V(NONE) refuses then.
    type: str
    choices: [NONE, OVERWRITE, PRESERVE]
    default: NONE
  preserve:
    description:
      - Whether what the add-on has made in the cluster stays there when the add-on is removed.
    type: bool
    default: false
  state:
    description:
      - Whether the cluster has the add-on.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Whether to wait until it runs, or is gone.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds for all the waiting together. An add-on that needs nodes runs when there are some.
    type: float
    default: 1200.0
"""

EXAMPLES = r"""
- name: Let the cluster have volumes, with a role of their own
  mlops.mlflow.eks_addon:
    region: us-west-2
    cluster: mlflow
    name: aws-ebs-csi-driver
    version: default
    service_account_role: arn:aws:iam::123456789012:role/mlflow-ebs-csi
    tags: {team: ml-platform}

- name: Let the network plugin keep to the policies of namespaces, whatever was changed in the cluster
  mlops.mlflow.eks_addon:
    region: us-west-2
    cluster: mlflow
    name: vpc-cni
    configuration:
      enableNetworkPolicy: "true"
    resolve_conflicts: OVERWRITE

- name: Manage the network plugin by other means
  mlops.mlflow.eks_addon:
    region: us-west-2
    cluster: mlflow
    name: vpc-cni
    preserve: true
    state: absent
"""

RETURN = r"""
addon:
  description: The add-on as it is then, or in check mode would be.
  returned: success
  type: dict
  contains:
    arn: {description: Its ARN. Empty where there is none yet or any more., returned: success, type: str}
    version: {description: Its version. Empty in check mode where EKS would choose one., returned: success, type: str}
    configuration:
      description: Its settings. A text where somebody else has given them as YAML.
      returned: success
      type: raw
    service_account_role: {description: The role of its service account if it has one., returned: success, type: str}
    tags: {description: Its tags., returned: success, type: dict}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import addons, updates
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    eks, cluster, name = _aws.service_of(module, "eks"), params["cluster"], params["name"]
    patience = None
    if params["wait"]:
        patience = updates.Patience(params["wait_timeout"], logging_to(params["progress_file"]))
    if params["state"] == "absent":
        return addons.remove(eks, cluster, name, params["preserve"], patience, check)
    return addons.ensure(eks, cluster, name, params, patience, check)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            **_aws.TAGS_ARGS,
            **PROGRESS_ARGS,
            "cluster": {"type": "str", "required": True, "aliases": ["cluster_name"]},
            "name": {"type": "str", "required": True, "aliases": ["addon"]},
            "version": {"type": "str"},
            "configuration": {"type": "dict"},
            "service_account_role": {"type": "str", "aliases": ["service_account_role_arn"]},
            "resolve_conflicts": {"type": "str", "choices": list(addons.CONFLICTS), "default": "NONE"},
            "preserve": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "float", "default": 1200.0},
        },
        mutually_exclusive=_aws.EXCLUSIVE,
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
