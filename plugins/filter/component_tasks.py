# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: component_tasks
short_description: Find the task file that deploys a type on a platform
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - The files C(tasks/<type>/<platform>.yml) of a component role are its support matrix; C(any.yml) serves every
    platform. Where there is none, the error lists what is offered.
positional: type, platform
options:
  _input:
    description: The role's folder, which is C(role_path) inside it.
    type: path
    required: true
  type:
    description: The type of the component.
    type: str
    required: true
  platform:
    description: The platform.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Deploy the database
  ansible.builtin.include_tasks: "{{ role_path | mlops.mlflow.component_tasks(mlflow_database_type, 'host') }}"
"""

RETURN = r"""
_value:
  description: Path of the task file, or where the type is not offered the sentence that says so.
  type: str
"""

from pathlib import Path
from typing import Any


def component_tasks(role_path: str, type: str, platform: str) -> str:
    tasks = Path(role_path, "tasks")
    offered = {}
    for name in ("any", platform):  # a file of its own wins over the one for any platform
        offered.update({file.parent.name: str(file) for file in tasks.glob(f"*/{name}.yml")})
    if type not in offered:
        role = Path(role_path).name
        return (
            f"{role}_type '{type}' is not offered on the platform '{platform}'. "
            f"Offered there: {', '.join(sorted(offered)) or 'nothing'}."
        )
    return offered[type]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"component_tasks": component_tasks}
