"""The exporter of a fleet as the roles render it, for an operator of Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.playbooks import WITHOUT_FORKS, run_play

from .manifests import Case, Deployment

VARIABLES: dict[str, Any] = {
    "mlflow_platform": "kubernetes",
    # That of the sample, which the exporter has nothing to do with.
    "mlflow_name": "mlflow-fleet-sample",
    "mlflow_namespace": "teams",
    "mlflow_image": "mlops-mlflow:3.17.2",
    "mlflow_egress": [{"to": [{"ipBlock": {"cidr": "10.9.9.9/32"}}]}],
    "mlflow_server_metrics_dir": "/tmp/metrics",
    "mlflow_fleet_name": "tenants",
    "mlflow_fleet_instances": [{"name": "vision", "replicas": 1}],
    "mlflow_fleet_count": "200",
    "mlflow_fleet_pattern": "tenant-####",
    "mlflow_monitoring_prometheus_namespace": "monitoring",
    "mlflow_monitoring_operator": "true",
    "mlflow_monitoring_operator_labels": {"release": "prometheus"},
    "mlflow_monitoring_thresholds": {"unhealthy_instances": "3"},
}
TASKS = [
    {"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_fleet", "tasks_from": "connection"}},
    {"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_monitoring"}},
]


def render(folder: Path) -> None:
    run_play(TASKS, variables={**VARIABLES, "mlflow_render_dir": str(folder)}, program=WITHOUT_FORKS).succeeded()


def read(folder: Path) -> Deployment:
    """What C(render) wrote there."""
    texts = {"monitoring.yaml": (folder / "monitoring.yaml").read_text()}
    return Deployment("tenants", Case(VARIABLES, frozenset()), texts, "")
