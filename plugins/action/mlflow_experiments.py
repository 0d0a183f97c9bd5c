# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads scripts from the controller, and shows the progress while the module of the same name runs them."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.mlops.mlflow.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    MODULE = "mlops.mlflow.mlflow_experiments"

    def followed(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
        return super().followed({**arguments, "experiments": list(map(self._read, arguments.get("experiments") or []))})

    def _read(self, one: Any) -> Any:
        if not isinstance(one, dict) or one.get("script") or not one.get("src"):
            return one  # the module says what is wrong with it
        try:
            path = self._find_needle("files", str(one["src"]))
            with open(self._loader.get_real_file(path), encoding="utf-8") as file:
                return {**one, "script": file.read()}
        except (AnsibleError, OSError, UnicodeDecodeError) as error:
            raise AnsibleActionFail(f"The script {one['src']} of {one.get('name')} cannot be read: {error}") from error
