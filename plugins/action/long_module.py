# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module that takes long, and shows its progress meanwhile."""

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    pass
