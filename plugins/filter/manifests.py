# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: manifests
short_description: Complete rendered Kubernetes manifests
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads YAML documents and gives each object what every object of a deployment must have - namespace, labels,
    selectors, and the restrictions that Pod Security V(restricted) asks of pods.
positional: common
options:
  _input:
    description: YAML documents, as a template renders them, or a list of such texts. Empty documents are left out.
    type: raw
    required: true
  common:
    description:
      - C(name), C(namespace) and C(component), and optionally C(labels), C(annotations), C(image_pull_policy) and
        C(pod_spec) (fields of every pod's spec; null removes one).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Apply the objects of a template
  kubernetes.core.k8s:
    definition: >-
      {{ lookup('ansible.builtin.template', 'kubernetes.yaml.j2') | mlops.mlflow.manifests(common) }}
  vars:
    common: {name: mlflow, namespace: mlflow, component: server}
"""

RETURN = r"""
_value:
  description: The objects.
  type: list
  elements: dict
"""

import io
from collections.abc import Mapping
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.yaml import yaml_load_all
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests as engine


def manifests(texts: str | list[str] | None, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    # Ansible makes nothing of a template that renders nothing. As streams, because YAML's parser in C refuses the texts
    # of ansible-core 2.17 and 2.18, which are of a kind of their own.
    listed = [texts] if isinstance(texts, str) else texts or []
    try:
        engine.check_name(str(common["name"]), "mlflow_name")
        engine.check_name(str(common["namespace"]), "mlflow_namespace")
        return engine.complete((item for text in listed for item in yaml_load_all(io.StringIO(text))), common)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error
    except yaml.YAMLError as error:
        raise AnsibleFilterError(f"A rendered manifest is no YAML: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"manifests": manifests}
