# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names that changed: the one table of old variables and values, each refused with the new one.

A variable by its old name would be ignored in silence, and the deployment would be another than was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Old variable: what to say instead.
VARIABLES = {
    "mlflow_server_front_image": "mlflow_server_load_balancer_image",
    "mlflow_server_front_run_as": "mlflow_server_load_balancer_run_as",
    "mlflow_server_front_resources": "mlflow_server_load_balancer_resources",
    "mlflow_server_wished_dir": "mlflow_server_staged_dir",
    "mlflow_server_drain_timeout": "mlflow_server_drain_seconds",
    "mlflow_database_render_only": "mlflow_database_render_dir",
    "mlflow_artifact_store_render_only": "mlflow_artifact_store_render_dir",
}
# Those whose new name means something else: a sentence.
REMOVED = {
    "cluster_prerequisites_create_namespace": (
        "cluster_prerequisites_create_namespace is not used any more: set mlflow_namespace_existing to true where "
        "somebody else made the namespace."
    ),
}
# Old values of variables that kept their name.
VALUES = {
    name: {"process": "host"}
    for name in (
        "mlflow_platform",
        "mlflow_server_platform",
        "mlflow_database_platform",
        "mlflow_artifact_store_platform",
        "mlflow_backup_platform",
        "locust_platform",
    )
}


def errors(variables: Mapping[str, Any]) -> list[str]:
    """One sentence for each old name among C(variables), and for each old value."""
    said = [f"{old} is now called {new}." for old, new in VARIABLES.items() if old in variables]
    said += [sentence for old, sentence in REMOVED.items() if old in variables]
    for name, values in VALUES.items():
        value = variables.get(name)
        if isinstance(value, str) and value in values:
            said.append(f"The value {value} of {name} is now called {values[value]}.")
    return said
