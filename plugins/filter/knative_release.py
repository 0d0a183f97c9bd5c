# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: knative_release
short_description: Read and configure a release of Knative Serving and Kourier
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Takes the YAML files of a release as a loop has read them, checks them, and configures their objects.
positional: settings
options:
  _input:
    description:
      - The results of the loop over C(file), each with C(source) and C(checksum) (SHA-256), that set the fact
        C(__knative_text).
    type: list
    elements: dict
    required: true
  settings:
    description:
      - C(version), C(domain), C(ingress_class), C(features), C(autoscaler), C(allow_zero_initial_scale), C(registries),
        C(config) (by name of a ConfigMap without C(config-)), C(resources) (by Deployment), C(images) (beginnings of
        images and what replaces them), C(gateway_type), C(tls_secret).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a release holds
  ansible.builtin.debug:
    msg: "{{ (read.results | mlops.mlflow.knative_release(settings)).workloads }}"
"""

RETURN = r"""
_value:
  description: C(definitions), C(objects), C(workloads) by namespace, and C(errors), a list of sentences.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def knative_release(files: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
    # Ansible loads every filter for one of them.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import knative as engine

    try:
        read = [{"file": one["file"], "text": str(one["ansible_facts"]["__knative_text"])} for one in files]
        return engine.release(read, settings)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"knative_release": knative_release}
