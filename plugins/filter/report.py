# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: report
short_description: Say in lines what a module returned
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes of the result of a module what the day-2 playbooks print.
positional: subject, details
options:
  _input:
    description: What the module returned.
    type: dict
    required: true
  subject:
    description:
      - V(backup), V(restore), V(gc), V(tune) and V(health) take the result of the module of that name, V(status) that of
        M(mlops.mlflow.mlflow_health), V(containers) that of M(mlops.mlflow.mlflow_compose_info), V(failure) that of any
        task that failed, and V(upgrade) what P(mlops.mlflow.upgrade_plan#filter) returned.
    type: str
    choices: [backup, restore, gc, health, status, containers, failure, tune, upgrade]
    required: true
  details:
    description:
      - What the result does not say - C(uri) of the destination for V(backup), C(check), C(drill) and C(keep) for
        V(restore), C(older_than) for V(gc), C(check) for V(tune), C(uri), C(database), C(artifacts), C(info) and C(backup) for V(status),
        C(away), C(snapshot) and C(uri) for V(upgrade).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what was written
  ansible.builtin.debug:
    msg: "{{ written | mlops.mlflow.report('backup', {'uri': '/srv/backups'}) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import reports, upgrade
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import reports as snapshots

_SUBJECTS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], list[str]]] = {
    "backup": snapshots.backup,
    "restore": snapshots.restore,
    "gc": reports.gc,
    "health": reports.health,
    "containers": reports.containers,
    "failure": reports.failure,
    "status": reports.status,
    "tune": reports.tune,
    "upgrade": upgrade.done,
}


def report(result: Mapping[str, Any], subject: str, details: Mapping[str, Any] | None = None) -> list[str]:
    return _SUBJECTS[subject](result, details or {})


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"report": report}
