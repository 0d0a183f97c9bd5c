# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: cratedb_repository
short_description: Say where snapshots of a CrateDB in a cluster pass through
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes what the connection of the database tells backups - a claim that both mount, or a bucket that both reach.
positional: nodes, uri, endpoint, region, secret
options:
  _input:
    description: Name of the StatefulSet.
    type: str
    required: true
  nodes:
    description: How many nodes there are, 1 or 3.
    type: int
    default: 1
  uri:
    description: Bucket with a prefix; empty for a volume.
    type: str
    default: ''
  endpoint:
    description: URL of a store other than AWS.
    type: str
    default: ''
  region:
    description: Region of the bucket.
    type: str
    default: ''
  secret:
    description: Name of the Secret with C(access-key) and C(secret-key).
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Show which claim backups of a CrateDB mount
  ansible.builtin.debug:
    msg: "{{ ('mlflow-database' | mlops.mlflow.cratedb_repository).claim }}"
"""

RETURN = r"""
_value:
  description:
    - C(env) and C(secrets) of what backs up, and for a volume C(claim) and C(access_mode); only C(errors), the sentences,
      where the bucket cannot be used so.
  type: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def repository(name: str, nodes: int | str = 1, *bucket: str) -> dict[str, Any]:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import cratedb_repository_settings

    try:
        return cratedb_repository_settings.compute(name, int(nodes), *map(str, bucket))
    except EngineError as error:
        return {"errors": [str(error)]}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"cratedb_repository": repository}
