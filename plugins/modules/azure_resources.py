#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: azure_resources
short_description: Let resources of Azure be as requested, or be gone
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Creates resources of any kind in the order given, and of those that are there changes what differs. What they have
    besides stays. Waits until each of them is ready.
  - A resource that has no tag C(mlflow-deployment) of this owner is somebody else's. One of these in the list refuses
    the whole, before anything is changed; a removal leaves it.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_azure
  - mlops.mlflow.azure
  - mlops.mlflow.progress
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  owner:
    description:
      - Name of the deployment that they are of.
    type: str
    required: true
  resources:
    description:
      - The resources. A removal takes the last one first.
    type: list
    elements: dict
    required: true
    suboptions:
      what:
        description: What people call it.
        type: str
        required: true
      id:
        description: Its id, such as V(/subscriptions/ID/resourceGroups/mlflow).
        type: str
        required: true
      version:
        description: Version of its API.
        type: str
        required: true
      body:
        description: >-
          What is requested of it, as the API has it. A value may be that of another resource, as C({from: ID, version:
          VERSION, at: properties.principalId}).
        type: dict
        default: {}
      first:
        description: What only a new one is asked for besides.
        type: dict
        default: {}
      tagged:
        description: Whether its kind has tags. One without is as its parent.
        type: bool
        default: false
      fixed:
        description: Whether its kind never changes. What differs is then removed and created anew.
        type: bool
        default: false
      holds:
        description: An id below which its contents are listed. While there are any, a removal leaves it.
        type: str
      unique:
        description: How to ask whether a new one can have its name, with C(ask), an id, and C(body).
        type: dict
  read:
    description:
      - Values of resources that are to be told, by names of your own.
      - "Each as C({from: ID, version: VERSION, at: properties.clientId})."
    type: dict
    default: {}
  secrets:
    description:
      - What else a new resource is asked for and nobody is shown, such as a password, by its id.
    type: dict
    default: {}
  renew:
    description:
      - Whether resources that are there are sent their O(secrets), too. Then they are always changed.
    type: bool
    default: false
  state:
    description:
      - Whether they are there.
    type: str
    choices: [present, absent]
    default: present
  wait_timeout:
    description:
      - Seconds that all of them may take together.
    type: float
    default: 3600
"""

EXAMPLES = r"""
- name: Create a resource group with an identity in it
  mlops.mlflow.azure_resources:
    owner: mlflow
    resources:
      - what: resource group mlflow
        id: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mlflow
        version: "2021-04-01"
        body: {location: centralindia}
        tagged: true
      - what: identity of the servers
        id: >-
          /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mlflow/providers/Microsoft.ManagedIdentity/userAssignedIdentities/server
        version: "2023-01-31"
        body: {location: centralindia}
        tagged: true

- name: Remove the resource group with all that is in it
  mlops.mlflow.azure_resources:
    owner: mlflow
    state: absent
    resources:
      - what: resource group mlflow
        id: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mlflow
        version: "2021-04-01"
        tagged: true
"""

RETURN = r"""
created:
  description: What was created, or in check mode would be.
  returned: state is present
  type: list
  elements: str
  sample: [resource group mlflow]
altered:
  description: What was changed, or in check mode would be.
  returned: state is present
  type: list
  elements: str
values:
  description: What O(read) asked for. What is known only when a resource is created is left out before.
  returned: state is present
  type: dict
removed:
  description: What was removed, or in check mode would be.
  returned: state is absent
  type: list
  elements: str
left:
  description: What stays because it is somebody else's, or holds something.
  returned: state is absent
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _azure
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure import resources
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, run

RESOURCE = {
    "what": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "body": {"type": "dict", "default": {}},
    "first": {"type": "dict", "default": {}},
    "tagged": {"type": "bool", "default": False},
    "fixed": {"type": "bool", "default": False},
    "holds": {"type": "str"},
    "unique": {"type": "dict"},
}


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    arm, owner, requested = _azure.arm_of(module), params["owner"], params["resources"]
    if params["state"] == "absent":
        return resources.remove(arm, owner, requested, module.check_mode)
    secret = params["secrets"], params["renew"]
    return resources.ensure(arm, owner, requested, module.check_mode, params["read"], *secret)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_azure.AZURE_ARGS,
            **PROGRESS_ARGS,
            "owner": {"type": "str", "required": True},
            "resources": {"type": "list", "elements": "dict", "required": True, "options": RESOURCE},
            "read": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "renew": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wait_timeout": {"type": "float", "default": 3600},
        },
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
