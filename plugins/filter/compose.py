# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: compose
short_description: Complete a rendered compose file
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads a YAML document with services and gives each what every container of a deployment must have - restrictions,
    limits, labels and networks.
positional: common
options:
  _input:
    description: YAML document, as a template renders it.
    type: str
    required: true
  common:
    description:
      - C(name) of the deployment, C(component) and C(networks) (a list of names), and optionally C(labels).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the compose file of a component
  ansible.builtin.copy:
    dest: /var/lib/mlflow/compose/database/compose.yaml
    content: >-
      {{ lookup('ansible.builtin.template', 'compose.yaml.j2') | mlops.mlflow.compose(common) }}
    mode: "0644"
  vars:
    common: {name: mlflow, component: database, networks: [mlflow]}
"""

RETURN = r"""
_value:
  description: The text of the compose file.
  type: str
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import template as engine
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def compose(text: str, common: Mapping[str, Any]) -> str:
    try:
        # As a stream, and as plain texts: see the filter manifests.
        done = engine.complete(yaml_load(io.StringIO(text)), json.loads(json.dumps(common)))
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error
    except yaml.YAMLError as error:
        raise AnsibleFilterError(f"The template did not render to YAML: {error}") from error
    head = "# Written by the collection mlops.mlflow; changes here are lost at the next deployment.\n"
    return head + yaml.safe_dump(done, sort_keys=False, width=120)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"compose": compose}
