# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: manifest_references
short_description: Name Kubernetes objects for their removal
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Takes of each object what names it, the last one first. Volumes and generated secrets are left out unless they are
    asked for.
positional: remove_data
options:
  _input:
    description: The objects.
    type: list
    elements: dict
    required: true
  remove_data:
    description: Whether volumes and secrets are to go as well.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Remove a configuration
  kubernetes.core.k8s:
    state: absent
    definition: "{{ [settings] | mlops.mlflow.manifest_references }}"
  vars:
    settings: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: mlflow}, data: {a: b}}
"""

RETURN = r"""
_value:
  description: C(apiVersion), C(kind) and C(metadata) of each.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests


def references(objects: list[Mapping[str, Any]], remove_data: bool = False) -> list[dict[str, Any]]:
    return manifests.references(objects, keep_data=not remove_data)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"manifest_references": references}
