#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: eks_oidc_provider
short_description: Let IAM believe the service accounts of an EKS cluster (IRSA)
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Creates the identity provider of IAM for the issuer of a cluster's tokens. Only then a role can be assumed by the
    pods of a service account.
  - A provider that is there keeps the audiences that somebody else added. IAM finds out itself which certificate the
    issuer of EKS has.
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
      - Name of the cluster, which says its issuer. In check mode it need not exist yet.
    type: str
    aliases: [cluster_name]
  issuer:
    description:
      - The issuer itself, such as V(https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE). To remove the provider of a
        cluster that is no more, only this helps.
    type: str
  client_ids:
    description:
      - Audiences that tokens must name. EKS gives pods tokens for AWS STS.
    type: list
    elements: str
    default: [sts.amazonaws.com]
  state:
    description:
      - Whether there is a provider. Without one, pods can assume no role by their service account.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Let pods of a cluster assume roles
  mlops.mlflow.eks_oidc_provider:
    region: us-west-2
    cluster: mlflow
    tags: {team: ml-platform}
  register: provider

- name: Remove the provider before the cluster
  mlops.mlflow.eks_oidc_provider:
    region: us-west-2
    cluster: mlflow
    state: absent

- name: Remove the provider of a cluster that is no more
  mlops.mlflow.eks_oidc_provider:
    issuer: https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE
    state: absent
"""

RETURN = r"""
arn:
  description: The provider, as the trust policies of roles name it. Empty where there is none, or only would be.
  returned: success
  type: str
  sample: arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE
issuer:
  description: The issuer. Empty in check mode where the cluster does not exist yet.
  returned: success
  type: str
  sample: https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE
client_ids:
  description: The audiences that it accepts.
  returned: success
  type: list
  elements: str
  sample: [sts.amazonaws.com]
tags:
  description: Its tags.
  returned: success
  type: dict
  sample: {team: ml-platform}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils import _aws
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import oidc
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    present = params["state"] == "present"
    issuer = params["issuer"]
    if not issuer:
        issuer = oidc.issuer_of(_aws.service_of(module, "eks"), params["cluster"])
    if not issuer:
        return oidc.without_cluster(params["cluster"], params["client_ids"], params["tags"], present and check)
    iam = _aws.service_of(module, "iam")
    if not present:
        return oidc.remove(iam, issuer, check)
    return oidc.ensure(iam, issuer, params["client_ids"], params["tags"], params["purge_tags"], check)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_aws.AWS_ARGS,
            **_aws.TAGS_ARGS,
            "cluster": {"type": "str", "aliases": ["cluster_name"]},
            "issuer": {"type": "str"},
            "client_ids": {"type": "list", "elements": "str", "default": ["sts.amazonaws.com"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        mutually_exclusive=[*_aws.EXCLUSIVE, ("cluster", "issuer")],
        required_one_of=[("cluster", "issuer")],
        required_together=_aws.TOGETHER,
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
