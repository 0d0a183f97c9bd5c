# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: manifest_files
short_description: Kubernetes objects as files that are applied again and again
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Gives each Job a name that changes with it, because nobody can change a Job, and nobody removes it before files are
    applied anew. Other objects stay as they are.
options:
  _input:
    description: The objects, as P(mlops.mlflow.manifests#filter) completes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Write a Job for GitOps
  ansible.builtin.copy:
    content: "{{ [job] | mlops.mlflow.manifest_files | to_nice_yaml }}"
    dest: /srv/gitops/job.yaml
    mode: "0644"
  vars:
    job:
      apiVersion: batch/v1
      kind: Job
      metadata: {name: setup, namespace: mlflow, annotations: {mlops.mlflow/checksum: 0a1b2c3d4e5f6071}}
"""

RETURN = r"""
_value:
  description: The objects.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests


def for_files(objects: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return manifests.for_files(objects)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"manifest_files": for_files}
