# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: backup_schedule
short_description: Say how the backups of a cluster are
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Says when backups run, when one last succeeded, whether the next is overdue, and which failed since.
positional: jobs, max_age_hours
options:
  _input:
    description: The CronJob of the backup in a list, or an empty list.
    type: list
    elements: dict
    required: true
  jobs:
    description: The Jobs of the component backup.
    type: list
    elements: dict
    required: true
  max_age_hours:
    description: Hours after which a backup is overdue.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Show how the backups are
  ansible.builtin.debug:
    msg: "{{ cron_jobs.resources | mlops.mlflow.backup_schedule(jobs.resources, 26) }}"
"""

RETURN = r"""
_value:
  description: One line, and one for each that failed.
  type: str
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import reports


def backup_schedule(
    cron_jobs: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]], max_age_hours: float
) -> str:
    return reports.backups(cron_jobs, jobs, float(max_age_hours), datetime.now(UTC))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"backup_schedule": backup_schedule}
