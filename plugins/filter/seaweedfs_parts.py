# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: seaweedfs_parts
short_description: Make the objects of SeaweedFS's master and volume servers of a sample
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Replaces the objects of the part C(sample-part) by those of a master and of each volume server. Without volume servers
    there are none.
positional: servers, metadata_size, storage_size
options:
  _input:
    description: The objects, as the filter P(mlops.mlflow.manifests#filter) completes them.
    type: list
    elements: dict
    required: true
  servers:
    description: How many volume servers there are.
    type: int
    required: true
  metadata_size:
    description: Size of the master's volume.
    type: str
    required: true
  storage_size:
    description: Size of the volume of each volume server.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the objects of two volume servers
  ansible.builtin.debug:
    msg: "{{ objects | mlops.mlflow.seaweedfs_parts(2, '5Gi', '50Gi') }}"
"""

RETURN = r"""
_value:
  description: The objects.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.seaweedfs import parts


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"seaweedfs_parts": parts}
