# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: rds_costs
short_description: Estimate what an instance of RDS costs a month
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says in lines what a PostgreSQL of RDS costs a month, as an estimate to be checked with AWS's calculator.
options:
  _input:
    description: >-
      C(name), C(instance_class), C(storage_size) in GiB, C(multi_az), and C(prices) (US dollars an hour by class, and
      C(storage) a GiB and month).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a database would cost
  ansible.builtin.debug:
    msg: "{{ database | mlops.mlflow.rds_costs }}"
  vars:
    database: {name: mlflow-database, instance_class: db.m7g.large, storage_size: 20, multi_az: true, prices: {}}
"""

RETURN = r"""
_value:
  description: A line for the instance, one for all of it, and one with what is not counted.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any


def rds_costs(settings: Mapping[str, Any]) -> list[str]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.prices import database

    return database(settings)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"rds_costs": rds_costs}
