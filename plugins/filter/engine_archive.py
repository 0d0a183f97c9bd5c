# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: engine_archive
short_description: Pack the collection's engine for a host that has no image
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Packs the Python files below a folder as the package C(mlflow_ops) into a zip archive, and returns that as base64 text.
  - The same files give the same text, so that a second run changes nothing.
positional: []
options:
  _input:
    description: Folder of the engine.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show how big the engine is
  ansible.builtin.debug:
    msg: "{{ (role_path ~ '/../../plugins/module_utils/_engine') | mlops.mlflow.engine_archive | length }}"
"""

RETURN = r"""
_value:
  description: The archive, base64.
  type: str
"""

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

_LINE = 120


def engine_archive(folder: str) -> str:
    root = Path(folder)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.py")):
            # Without the time of the file, which would make it another archive.
            archive.writestr(
                zipfile.ZipInfo(f"mlflow_ops/{path.relative_to(root).as_posix()}"),
                path.read_bytes(),
                zipfile.ZIP_DEFLATED,
            )
    text = base64.b64encode(packed.getvalue()).decode()
    return "\n".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"engine_archive": engine_archive}
