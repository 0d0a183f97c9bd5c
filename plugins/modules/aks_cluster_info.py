#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: aks_cluster_info
short_description: Say what a subscription holds of an AKS cluster and around it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Who asks and what they may not do, what the region offers, the cluster, and what pods have made that would go with it.
    The role P(mlops.mlflow.aks_cluster#role) decides by that before it changes anything.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_azure
  - mlops.mlflow.azure
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  subscription:
    description:
      - Id of the subscription.
    type: str
    required: true
    aliases: [subscription_id]
  resource_group:
    description:
      - The resource group, which need not exist.
    type: str
    required: true
  name:
    description:
      - Name of the cluster, which need not exist.
    type: str
    required: true
  location:
    description:
      - Region of a new cluster.
    type: str
    required: true
  existing:
    description:
      - What of it somebody else has created. The right to create that is not counted among those that are missing, and
        in a resource group that exists only rights in it count.
    type: list
    elements: str
    choices: [resource_group, cluster]
    default: []
"""

EXAMPLES = r"""
- name: Inspect a cluster of AKS
  mlops.mlflow.aks_cluster_info:
    subscription: 00000000-0000-0000-0000-000000000000
    resource_group: mlflow
    name: mlflow
    location: centralindia
  register: found
"""

RETURN = r"""
principal:
  description: Object id of who asks.
  returned: success
  type: str
tenant:
  description: Id of the tenant of who asks.
  returned: success
  type: str
denied:
  description: Of what the roles for AKS do, what may not be done. Empty where Azure does not tell.
  returned: success
  type: list
  elements: str
locations:
  description: Regions of the subscription.
  returned: success
  type: list
  elements: str
  sample: [centralindia, eastus]
sizes:
  description: Sizes of machines that a new cluster may have. Empty where the cluster exists.
  returned: success
  type: list
  elements: str
  sample: [Standard_D4s_v5]
versions:
  description: Minor versions of Kubernetes that a new cluster may have. Empty where the cluster exists.
  returned: success
  type: list
  elements: str
  sample: ["1.33", "1.34"]
group:
  description: Whether the resource group is there.
  returned: success
  type: bool
cluster:
  description: The cluster. Empty where there is none.
  returned: success
  type: dict
  contains:
    id: {description: Its id., returned: if there is one, type: str}
    state: {description: What goes on with it., returned: if there is one, type: str}
    location: {description: Its region., returned: if there is one, type: str}
    version: {description: Its version of Kubernetes., returned: if there is one, type: str}
    issuer: {description: Issuer of the tokens of service accounts., returned: if there is one, type: str}
    workload_identity: {description: Whether pods may have an identity., returned: if there is one, type: bool}
    network: {description: Id of the network of its nodes. Empty where that is AKS's., returned: if there is one, type: str}
    node_group: {description: Resource group of its nodes., returned: if there is one, type: str}
    endpoint: {description: URL of its API server. Empty while it is created., returned: if there is one, type: str}
    certificate_authority: {description: Whose certificate that has; PEM in base64., returned: if there is one, type: str}
left:
  description: What pods have made, and goes with the cluster.
  returned: success
  type: dict
  contains:
    disks: {description: Volumes and their claims., returned: success, type: list, elements: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _azure
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.inspect import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run

OPTIONS = ("subscription", "resource_group", "name", "location")


def gather(module: AnsibleModule) -> dict[str, Any]:
    given = [module.params[option] for option in OPTIONS]
    return {"changed": False, **inspect(_azure.arm_of(module), *given, module.params["existing"])}


def main() -> None:
    required = {option: {"type": "str", "required": True} for option in OPTIONS}
    module = AnsibleModule(
        argument_spec={
            **_azure.AZURE_ARGS,
            **required,
            "subscription": {"type": "str", "required": True, "aliases": ["subscription_id"]},
            "existing": {
                "type": "list",
                "elements": "str",
                "choices": ["resource_group", "cluster"],
                "default": [],
            },
        },
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
