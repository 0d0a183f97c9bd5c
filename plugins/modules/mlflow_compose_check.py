#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_check
short_description: Let a program of an image check a configuration that is meant for it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Starts the program in a container without network and rights, gives it the text in a file, and fails with its words where it
    refuses that. Nothing is written on the host.
  - An image that the engine does not have yet is not pulled; RV(checked) says so.
extends_documentation_fragment:
  - mlops.mlflow.docker
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_compose
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  image:
    description:
      - Image with the program, and with C(sh) and C(cat).
    type: str
    required: true
  command:
    description:
      - The program and its words. The name of the file comes behind them.
    type: list
    elements: str
    required: true
  text:
    description:
      - The configuration. A secret has no place in it.
    type: str
    required: true
  what:
    description:
      - What messages call the text, such as the variable that it was made from.
    type: str
    default: The configuration
"""

EXAMPLES = r"""
- name: Check rules with the program that is to read them
  mlops.mlflow.mlflow_compose_check:
    image: docker.io/prom/prometheus:v3.13.4
    command: [promtool, check, rules]
    text: "{{ {} | mlops.mlflow.prometheus_rules({'deployment': 'mlflow'}) | to_json }}"
    what: mlflow_monitoring_rules
"""

RETURN = r"""
checked:
  description: Whether the program could be asked, because the engine has the image.
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import configuration


def apply(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    checked = configuration.check(params["image"], params["command"], params["text"], params["what"])
    return {"changed": False, "checked": checked}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "image": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "text": {"type": "str", "required": True},
            "what": {"type": "str", "default": "The configuration"},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
