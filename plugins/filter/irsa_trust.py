# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: irsa_trust
short_description: Say who may assume a role that is for pods of EKS
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The trust policy of a role of IAM for the pods of one service account, or of a few that are named, by subject and audience
    of their tokens.
positional: namespace, account
options:
  _input:
    description: The C(eks_cluster_connection) of the role P(mlops.mlflow.eks_cluster#role).
    type: dict
    required: true
  namespace:
    description: Namespace of the service account.
    type: str
    required: true
  account:
    description: Its name, or a list of names.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Create a role for the pods of a service account
  amazon.aws.iam_role:
    name: reports
    assume_role_policy_document: "{{ eks_cluster_connection | mlops.mlflow.irsa_trust('reports', 'writer') }}"
"""

RETURN = r"""
_value:
  description: The policy.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def irsa_trust(cluster: Mapping[str, Any], namespace: str, account: str | Sequence[str]) -> dict[str, Any]:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.oidc import trust

    try:
        accounts = account if isinstance(account, str) else [str(one) for one in account]
        return trust(cluster, str(namespace), accounts)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"irsa_trust": irsa_trust}
