#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster_info
short_description: Say what an account holds of an EKS cluster and around it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Who asks, the networks of the region, the cluster with its node groups, and what pods have made outside of it. The role
    P(mlops.mlflow.eks_cluster#role) decides by that before it changes anything.
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
      - Name of the cluster, which need not exist.
    type: str
    required: true
    aliases: [cluster, cluster_name]
"""

EXAMPLES = r"""
- name: Inspect a cluster
  mlops.mlflow.eks_cluster_info:
    region: us-west-2
    name: mlflow
  register: found
"""

RETURN = r"""
account:
  description: The account of the credentials.
  returned: success
  type: str
  sample: "123456789012"
principal:
  description: ARN of who asks.
  returned: success
  type: str
zones:
  description: Zones of the region.
  returned: success
  type: list
  elements: str
  sample: [us-west-2a, us-west-2b]
vpcs:
  description: Networks of the region, each with C(id), C(name) (of its tag) and C(cidrs).
  returned: success
  type: list
  elements: dict
cluster:
  description: The cluster. Empty where there is none.
  returned: success
  type: dict
  contains:
    status: {description: Its status., returned: if there is one, type: str}
    version: {description: Its version of Kubernetes., returned: if there is one, type: str}
    vpc: {description: Its network., returned: if there is one, type: str}
    subnets: {description: Its subnets., returned: if there is one, type: list, elements: str}
    inner_subnets:
      description: Of these one a zone, where what pods alone reach is put.
      returned: if there is one
      type: list
      elements: str
    security_group: {description: The group that EKS gives nodes and control plane., returned: if there is one, type: str}
    endpoint: {description: URL of its API server., returned: if there is one, type: str}
    certificate_authority: {description: Whose certificate that has; PEM in base64., returned: if there is one, type: str}
    issuer: {description: Issuer of the tokens of service accounts., returned: if there is one, type: str}
    node_groups: {description: Number of nodes by node group., returned: if there is one, type: dict}
left:
  description: What pods have made outside of the cluster, and does not go with it.
  returned: success
  type: dict
  contains:
    load_balancers: {description: Names of those in its network., returned: success, type: list, elements: str}
    volumes: {description: Volumes and their claims., returned: success, type: list, elements: str}
    others:
      description: Endpoints and NAT gateways in its network that the deployment of this name did not make.
      returned: success
      type: list
      elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.inspect import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def gather(module: AnsibleModule) -> dict[str, Any]:
    found = inspect(lambda service: _aws.service_of(module, service), module.params["name"])
    return {"changed": False, **found}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            "name": {"type": "str", "required": True, "aliases": ["cluster", "cluster_name"]},
        },
        mutually_exclusive=_aws.EXCLUSIVE,
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
