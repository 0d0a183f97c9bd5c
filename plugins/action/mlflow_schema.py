# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows the progress of migrations while the module of the same name works."""

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    MODULE = "mlops.mlflow.mlflow_schema"
