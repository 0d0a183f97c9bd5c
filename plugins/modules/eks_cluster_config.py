#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster_config
short_description: Create an EKS cluster, or change who reaches it, what it logs, how it encrypts, and its version
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - What the module eks_cluster of community.aws neither creates a cluster with, nor changes of one that exists. Options that
    are not given stay as they are.
  - All that is wrong with a request is said before anything is changed. EKS takes one kind of change at a time, so that
    there are several updates, and each is waited for. What changes the cluster already is waited for first.
  - An update that fails leaves the earlier ones done. Another run goes on from there.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_aws
  - mlops.mlflow.aws
  - mlops.mlflow.progress
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the cluster. In check mode it need not exist yet; then all that is given counts as a change.
    type: str
    required: true
    aliases: [cluster, cluster_name]
  authentication_mode:
    description:
      - Who decides who may use the cluster. V(API) and V(API_AND_CONFIG_MAP) take access entries, and with V(API) those
        that only the ConfigMap C(aws-auth) names lose their access.
      - EKS goes from V(CONFIG_MAP) by V(API_AND_CONFIG_MAP) to V(API), which are two updates, and never back.
    type: str
    choices: [CONFIG_MAP, API_AND_CONFIG_MAP, API]
  endpoint_public_access:
    description:
      - Whether the API server is reached from the internet.
    type: bool
  endpoint_private_access:
    description:
      - Whether it is reached from the cluster's VPC without leaving it.
    type: bool
  public_access_cidrs:
    description:
      - The only networks that reach it from the internet, such as V(203.0.113.0/24). Nodes are in the internet, too, where
        O(endpoint_private_access) is off.
    type: list
    elements: str
  logging:
    description:
      - The only logs of the control plane that go to CloudWatch. Empty means none.
    type: list
    elements: str
    choices: [api, audit, authenticator, controllerManager, scheduler]
  encryption_key:
    description:
      - ARN of the key of KMS that encrypts Secrets. EKS never takes another one, nor does without it again.
    type: str
  version:
    description:
      - The minor version of Kubernetes, in quotes, such as V('1.33'). It is raised by one at a time, and never lowered.
    type: str
  create:
    description:
      - How to create the cluster where there is none. It is then as the other options say from its first minute, and has no
        add-ons but those of M(mlops.mlflow.eks_addon). Of a cluster that exists, nothing of this is changed. Without it, a
        cluster that is missing is an error.
    type: dict
    suboptions:
      role:
        description:
          - ARN of the role that EKS assumes.
        type: str
        required: true
      subnets:
        description:
          - Subnets of at least two zones, in which EKS reaches the nodes.
        type: list
        elements: str
        required: true
      security_groups:
        description:
          - Further groups for what EKS has in them. It always makes one itself.
        type: list
        elements: str
        default: []
      tags:
        description:
          - Its tags.
        type: dict
  wait_timeout:
    description:
      - Seconds for all the waiting together. A new version takes ten minutes and more.
    type: float
    default: 3600.0
"""

EXAMPLES = r"""
- name: Close a cluster to all but one network, and let access entries say who may use it
  mlops.mlflow.eks_cluster_config:
    region: us-west-2
    name: mlflow
    authentication_mode: API
    endpoint_private_access: true
    endpoint_public_access: true
    public_access_cidrs: [203.0.113.0/24]
    logging: [api, audit, authenticator]

- name: Encrypt its Secrets with a key of KMS
  mlops.mlflow.eks_cluster_config:
    region: us-west-2
    name: mlflow
    encryption_key: arn:aws:kms:us-west-2:123456789012:key/11111111-2222-3333-4444-555555555555

- name: Create a cluster that is closed from its first minute
  mlops.mlflow.eks_cluster_config:
    region: us-west-2
    name: created
    version: "1.33"
    authentication_mode: API
    endpoint_private_access: true
    endpoint_public_access: false
    logging: [api, audit, authenticator]
    create:
      role: arn:aws:iam::123456789012:role/eks-cluster
      subnets: [subnet-1, subnet-2]
      tags: {team: ml-platform}

- name: Raise its version by one
  mlops.mlflow.eks_cluster_config:
    region: us-west-2
    name: mlflow
    version: "1.33"
"""

RETURN = r"""
changes:
  description: Each option that changed, or in check mode would, with its value C(before) (none where nobody knows it) and
    C(after).
  returned: success
  type: dict
  sample: {version: {before: "1.32", after: "1.33"}}
updates:
  description: What EKS did for that, or would do, in this order. Empty where a check run would have created the cluster.
  returned: success
  type: list
  elements: str
  sample: [version 1.33]
configuration:
  description: All options as they are then. Where a check run would have created the cluster, those that are given.
  returned: success
  type: dict
  contains:
    authentication_mode: {description: Who decides who may use the cluster., returned: success, type: str}
    endpoint_public_access: {description: Whether the internet reaches it., returned: success, type: bool}
    endpoint_private_access: {description: Whether the VPC reaches it., returned: success, type: bool}
    public_access_cidrs: {description: What of the internet., returned: success, type: list, elements: str}
    logging: {description: Its logs in CloudWatch., returned: success, type: list, elements: str}
    encryption_key: {description: The key of its Secrets if there is one., returned: success, type: str}
    version: {description: Its version., returned: success, type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import cluster, updates
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run

CREATE = {
    "role": {"type": "str", "required": True},
    "subnets": {"type": "list", "elements": "str", "required": True},
    "security_groups": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict"},
}


def configure(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    eks = _aws.service_of(module, "eks")
    patience = updates.Patience(params["wait_timeout"], logging_to(params["progress_file"]))
    return cluster.configure(eks, params["name"], params, patience, module.check_mode, params["create"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            **PROGRESS_ARGS,
            "name": {"type": "str", "required": True, "aliases": ["cluster", "cluster_name"]},
            "authentication_mode": {"type": "str", "choices": list(cluster.MODES)},
            "endpoint_public_access": {"type": "bool"},
            "endpoint_private_access": {"type": "bool"},
            "public_access_cidrs": {"type": "list", "elements": "str"},
            "logging": {"type": "list", "elements": "str", "choices": list(cluster.LOGS)},
            "encryption_key": {"type": "str", "no_log": False},
            "version": {"type": "str"},
            "create": {"type": "dict", "options": CREATE},
            "wait_timeout": {"type": "float", "default": 3600.0},
        },
        mutually_exclusive=_aws.EXCLUSIVE,
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, configure)


if __name__ == "__main__":
    main()
