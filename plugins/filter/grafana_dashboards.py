# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: grafana_dashboards
short_description: A ConfigMap of dashboards for the sidecar of Grafana
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Puts dashboards, files of JSON, into one ConfigMap that the sidecar of Grafana's chart finds by its label.
  - Those of this collection lie in its folder C(roles/mlflow_monitoring/files/dashboards); they can be imported by
    hand as well.
positional: name, label, folder
options:
  _input:
    description: Files of the controller, each named as its dashboard.
    type: list
    elements: path
    required: true
  name:
    description: Name of the ConfigMap.
    type: str
    required: true
  label:
    description: The label that the sidecar looks for. Its value is V(1).
    type: str
    default: grafana_dashboard
  folder:
    description: The folder of Grafana, in the annotation C(grafana_folder). Empty for none.
    type: str
    default: MLflow
"""

EXAMPLES = r"""
- name: Give Grafana the dashboards
  kubernetes.core.k8s:
    namespace: monitoring
    definition: "{{ dashboards | mlops.mlflow.grafana_dashboards('mlflow-dashboards') }}"
  vars:
    dashboards: "{{ query('ansible.builtin.fileglob', playbook_dir ~ '/dashboards/*.json') }}"
"""

RETURN = r"""
_value:
  description: The ConfigMap, without a namespace.
  type: dict
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def grafana_dashboards(
    files: Sequence[str], name: str, label: str = "grafana_dashboard", folder: str = "MLflow"
) -> dict[str, Any]:
    # Ansible loads every filter for one of them.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts import dashboards

    try:
        texts = {Path(file).stem: Path(file).read_text(encoding="utf-8") for file in files}
        return dashboards.config_map(texts, str(name), str(label), str(folder))
    except OSError as error:
        raise AnsibleFilterError(f"The dashboard {error.filename} cannot be read: {error.strerror}.") from error
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"grafana_dashboards": grafana_dashboards}
