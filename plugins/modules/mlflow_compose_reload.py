#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_reload
short_description: Let Prometheus or Alertmanager in a container read a changed configuration
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Where a file of the folder is newer than what the program has read, as its metrics say, it is sent C(SIGHUP) from inside its
    container. It goes on meanwhile, and nothing is restarted.
  - Waits until it has taken them over, and fails where it goes on with what it had.
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
  container:
    description:
      - Name of its container, in which C(sh) and C(wget) must be.
    type: str
    required: true
  url:
    description:
      - Address of its metrics, within the container.
    type: str
    required: true
  folder:
    description:
      - Folder of the host that is its configuration.
    type: path
    required: true
  timeout:
    description:
      - Seconds to wait for it at most.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Let Prometheus read changed rules
  mlops.mlflow.mlflow_compose_reload:
    container: mlflow-prometheus
    url: http://127.0.0.1:9090/metrics
    folder: /var/lib/mlflow/prometheus/configuration/prometheus
"""

RETURN = r"""
reloaded:
  description: Whether there was anything new, which it has read, or in check mode would read.
  returned: success
  type: bool
  sample: false
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._docker import DOCKER_ARGS, run_with_docker
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import configuration


def apply(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    reloaded = configuration.reload(
        params["container"], params["url"], Path(params["folder"]), params["timeout"], module.check_mode
    )
    return {"changed": reloaded, "reloaded": reloaded}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGS,
            "container": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "timeout": {"type": "float", "default": 60.0},
        },
        supports_check_mode=True,
    )
    run_with_docker(module, apply)


if __name__ == "__main__":
    main()
