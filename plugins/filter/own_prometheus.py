# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: own_prometheus
short_description: Compute what a Prometheus and an Alertmanager of a deployment's own are given
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes their configurations and command lines from the variables of the role
    P(mlops.mlflow.mlflow_monitoring#role), and checks routes and receivers.
positional: server
options:
  _input:
    description: >-
      C(name), C(platform), C(port), C(alertmanager_port), C(exporter_port), C(interval) (seconds), C(days), C(size),
      C(rules), C(server_metrics), C(alertmanager_config) and C(alertmanager_secrets); on a host also C(targets).
    type: dict
    required: true
  server:
    description: Connection of the server.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what Prometheus scrapes
  ansible.builtin.debug:
    msg: "{{ (options | mlops.mlflow.own_prometheus(server)).files['configuration/prometheus/prometheus.yml'] }}"
"""

RETURN = r"""
_value:
  description:
    - C(uris) of C(prometheus) and C(alertmanager) on the host.
    - Under compose C(files), texts by their path in the compose project; C(copies), files with secrets by the path of their
      copy; C(with_secrets), programs that get some; of each program its C(commands) and C(published), the address of host and
      container.
    - On a host C(variables) of the roles of the collection prometheus.prometheus.
    - With wrong options only C(errors), the sentences.
  type: dict
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def own_prometheus(options: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, Any]:
    # Ansible loads all filters for one of them.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts import prometheus

    try:
        done = prometheus.compute(options, server)
    except EngineError as error:
        return {"errors": [str(error)]}
    # Plain texts, which the types of Ansible are not for who writes YAML.
    plain = json.loads(json.dumps(done.get("files", {})))
    return {**done, "files": {path: yaml.safe_dump(one, sort_keys=False, width=1000) for path, one in plain.items()}}


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"own_prometheus": own_prometheus}
