# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows the progress of a load test, wherever it runs, while its module works."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ansible_collections.mlops.mlflow.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    def followed(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The report's folder has the file. Without a folder the module says what is missing."""
        folder = arguments.get("report_dir")
        if not folder:
            return arguments, ""
        progress = os.path.join(str(folder), "progress.txt")
        if not self._task.check_mode:
            # An earlier test's progress is not this one's.
            self._low_level_execute_command(f"rm -f {shlex.quote(progress)}")
        return arguments, progress
