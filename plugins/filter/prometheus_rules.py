# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_rules
short_description: Alerts and recorded series of a deployment, for Prometheus
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Gives the groups of a rules file of Prometheus, which are also the C(spec) of a PrometheusRule.
  - The alerts read what C(mlflow-ops export) and MLflow itself export. Each has a severity, a summary with numbers, and a
    link to its section of the runbook.
positional: scope, runbook, groups
options:
  _input:
    description: >-
      Thresholds that differ from their defaults, C({}) for none: C(down_minutes) (2), C(latency_seconds) (2),
      C(errors_percent) (10), C(requests_least) (20), C(connections_percent) (80), C(disk_free_percent) (10),
      C(certificate_days) (14), C(overdue_hours) (2), C(first_backup_hours) (26), C(first_drill_days) (7),
      C(restarts) (3), C(unhealthy_instances) (0), C(availability_percent) (99.5).
    type: dict
    required: true
  scope:
    description: >-
      Labels that select one deployment, C(deployment), and C(namespace) on Kubernetes, where it adds the alerts on pods
      and volumes. Without any, the rules are for all deployments that a Prometheus scrapes.
    type: dict
    default: {}
  runbook:
    description: Address of the page that has a section for each alert. Empty is the page of this collection.
    type: str
    default: ''
  groups:
    description: >-
      Which groups are meant, such as C([fleet, monitoring, kubernetes]) for the exporter of a fleet. Empty means all.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write the rules of a deployment
  ansible.builtin.copy:
    dest: "{{ rules_dir }}/mlflow.yml"
    content: "{{ thresholds | mlops.mlflow.prometheus_rules({'deployment': 'mlflow'}) | to_nice_yaml(width=1000) }}"
    mode: "0644"
  vars:
    rules_dir: /etc/prometheus/rules
    thresholds:
      latency_seconds: 5
"""

RETURN = r"""
_value:
  description: The key C(groups), a list of groups with their C(rules).
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def prometheus_rules(
    given: Mapping[str, Any],
    scope: Mapping[str, str] | None = None,
    runbook: str = "",
    groups: Sequence[str] = (),
) -> dict[str, Any]:
    # Ansible loads every filter for one of them.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts import rendering

    try:
        return rendering.rules_file(given, scope, str(runbook or rendering.RUNBOOK), groups)
    except EngineError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"prometheus_rules": prometheus_rules}
