#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_compose_files
short_description: Write the files of a compose project
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Writes the compose file and what its containers are given in one call, generates secrets that do not exist yet, and
    copies secrets to files that the containers' users can read, in a folder that only its owner can enter.
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Secrets are never in it.
  idempotent:
    support: full
options:
  folder:
    description:
      - The folder of the project.
    type: path
    required: true
  project:
    description:
      - Name of the project. A folder that holds something else is refused, and never removed.
    type: str
    required: true
  state:
    description:
      - With V(absent) the folder is removed, and the files of O(generated).
    type: str
    choices: [present, absent]
    default: present
  files:
    description:
      - The text of each file under its path in the folder. No secrets.
    type: dict
    default: {}
  secrets:
    description:
      - Files on the host that hold secrets, each under the path of its copy in the folder.
    type: dict
    default: {}
  generated:
    description:
      - Those of these files that are generated where they do not exist.
    type: list
    elements: path
    default: []
  own:
    description:
      - Folders in O(folder) that hold nothing else. What is there and not named here any more is removed, such as the copy of
        a key.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write the files of the database
  mlops.mlflow.mlflow_compose_files:
    folder: /var/lib/mlflow/compose/database
    project: mlflow-database
    files:
      compose.yaml: |
        name: mlflow-database
        services:
          database: {image: "docker.io/library/postgres:17.6-trixie"}
    secrets:
      secrets/password: /var/lib/mlflow/secrets/database-password
    generated: [/var/lib/mlflow/secrets/database-password]

- name: Remove them again, and keep the password
  mlops.mlflow.mlflow_compose_files:
    folder: /var/lib/mlflow/compose/database
    project: mlflow-database
    state: absent
"""

RETURN = r"""
existed:
  description: Whether there was a compose file before.
  returned: O(state=present)
  type: bool
  sample: true
written:
  description: Paths in the folder of what was written or removed, or would be.
  returned: O(state=present)
  type: list
  elements: str
  sample: [compose.yaml]
generated:
  description: Files with secrets that were generated, or would be.
  returned: O(state=present)
  type: list
  elements: str
  sample: []
removed:
  description: The folder and files that were removed, or would be.
  returned: O(state=absent)
  type: list
  elements: str
  sample: [/var/lib/mlflow/compose/database]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import files
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def write(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    folder = Path(params["folder"])
    if params["state"] == "absent":
        removed = files.remove(folder, params["project"], params["generated"], module.check_mode)
        return {"changed": bool(removed), "removed": removed}
    texts = {path: text if text.endswith("\n") else f"{text}\n" for path, text in params["files"].items()}
    result = files.ensure(
        folder,
        texts,
        params["secrets"],
        params["generated"],
        params["own"],
        module.check_mode,
        params["project"],
    )
    before, after = result.pop("before"), result.pop("after")
    diff = [
        {"before_header": path, "after_header": path, "before": before[path], "after": after[path]} for path in after
    ]
    return {"changed": bool(result["written"] or result["generated"]), **result, "diff": diff}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "project": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "files": {"type": "dict", "default": {}},
            # Places, not secrets.
            "secrets": {"type": "dict", "default": {}, "no_log": False},
            "generated": {"type": "list", "elements": "path", "default": []},
            "own": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, write)


if __name__ == "__main__":
    main()
