#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: eks_nodegroup_version
short_description: Let node groups of an EKS cluster have the version of its control plane
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - EKS replaces the nodes of a group, a few at a time, and asks the pods of each to leave before. One group after the other.
  - What M(community.aws.eks_nodegroup) does not do.
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
  cluster:
    description:
      - Name of the cluster. In check mode it need not exist yet.
    type: str
    required: true
    aliases: [cluster_name]
  names:
    description:
      - Names of the node groups. Empty means all.
    type: list
    elements: str
    default: []
  force:
    description:
      - Whether pods are ended that do not leave in time, such as for a disruption budget.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds for all the waiting together. A group takes some minutes a node.
    type: float
    default: 7200.0
seealso:
  - module: mlops.mlflow.eks_cluster_config
  - module: community.aws.eks_nodegroup
"""

EXAMPLES = r"""
- name: Let all nodes follow the control plane
  mlops.mlflow.eks_nodegroup_version:
    region: us-west-2
    cluster: mlflow

- name: Say which groups are behind
  mlops.mlflow.eks_nodegroup_version:
    region: us-west-2
    cluster: mlflow
  check_mode: true
  diff: true

- name: Let one group follow, whatever its pods say
  mlops.mlflow.eks_nodegroup_version:
    region: us-west-2
    cluster: mlflow
    names: [batch]
    force: true
"""

RETURN = r"""
node_groups:
  description: The version of each by its name, as it is then or in check mode would be.
  returned: success
  type: dict
  sample: {nodes: "1.34"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import nodegroups, updates
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run


def upgrade(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    patience = updates.Patience(params["wait_timeout"], logging_to(params["progress_file"]))
    eks = _aws.service_of(module, "eks")
    return nodegroups.upgrade(eks, params["cluster"], params["names"], params["force"], patience, module.check_mode)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            **PROGRESS_ARGS,
            "cluster": {"type": "str", "required": True, "aliases": ["cluster_name"]},
            "names": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 7200.0},
        },
        mutually_exclusive=_aws.EXCLUSIVE,
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, upgrade)


if __name__ == "__main__":
    main()
