# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows the progress of a load test in a Docker Engine while the module of the same name follows it."""

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.action.mlflow_load_test import ActionModule as OnAHost


class ActionModule(OnAHost):
    MODULE = "mlops.mlflow.mlflow_compose_load_test"
