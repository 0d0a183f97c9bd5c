# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: authority_certificates
short_description: Certificates of public authorities by their names
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Gives the certificates of authorities that the controller trusts, for clients that are to trust these and no others.
options:
  _input:
    description: Common names of authorities.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Verify a database of Azure
  ansible.builtin.set_fact:
    mlflow_database_ca: "{{ ['DigiCert Global Root G2'] | mlops.mlflow.authority_certificates }}"
"""

RETURN = r"""
_value:
  description: The certificates as PEM, in the order of the names.
  type: str
"""

from collections.abc import Sequence


def authority_certificates(names: Sequence[str]) -> str:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible.errors import AnsibleFilterError
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.authorities import certificates
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError

    try:
        return certificates(names)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, object]:
        return {"authority_certificates": authority_certificates}
