"""What the role tells Grafana and the operator on Kubernetes besides the exporter: dashboards, and each server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support import dashboards
from support.playbooks import WITHOUT_FORKS, run_play

SERVER = {
    "type": "mlflow",
    "uri": "https://mlflow.team-a.svc:5000",
    "runner": {"type": "kubernetes"},
    "workload": {"trusted": {"server.crt": {"secret": "mlflow-ca", "key": "ca.crt"}}},
}
DATABASE = {"type": "postgresql", "uri": "postgresql://mlflow@database:5432/mlflow"}


def rendered(folder: Path, **variables: Any) -> dict[tuple[str, str], dict[str, Any]]:
    given = {
        "mlflow_monitoring_platform": "kubernetes",
        "mlflow_monitoring_namespace": "team-a",
        "mlflow_monitoring_image": "registry.example.com/mlflow:1",
        "mlflow_monitoring_render_dir": str(folder),
        "mlflow_monitoring_operator": "true",
        "mlflow_monitoring_server": SERVER,
        "mlflow_monitoring_database": DATABASE,
        **variables,
    }
    tasks = [{"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_monitoring"}}]
    run_play(tasks, variables=given, program=WITHOUT_FORKS).succeeded()
    texts = [file.read_text() for file in folder.rglob("*.yaml")]
    found = [one for text in texts for one in yaml.safe_load_all(text) if one]
    # Besides the objects there is a list of the files, for kustomize.
    return {(one["kind"], one["metadata"]["name"]): one for one in found if "metadata" in one}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    return rendered(
        tmp_path_factory.mktemp("told"),
        mlflow_monitoring_server_metrics="/tmp/metrics",
        mlflow_monitoring_grafana_label="grafana_dashboard",
    )


def test_the_operator_scrapes_each_server_over_tls_under_the_names_that_alerts_read(told: Any) -> None:
    spec = told["PodMonitor", "mlflow-monitoring-servers"]["spec"]
    assert spec["selector"]["matchLabels"]["app.kubernetes.io/component"] == "server"
    (endpoint,) = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["scheme"], endpoint["path"]) == ("https", "https", "/metrics")
    assert endpoint["tlsConfig"] == {
        "serverName": "mlflow.team-a.svc",
        "ca": {"secret": {"name": "mlflow-ca", "key": "ca.crt"}},
    }
    labels = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
    assert labels == {"deployment": "mlflow", "job": "mlflow"}


def test_the_sidecar_of_grafana_gets_all_dashboards_in_the_namespace_of_the_deployment(told: Any) -> None:
    found = told["ConfigMap", "mlflow-monitoring-dashboards"]
    assert found["metadata"]["namespace"] == "team-a"
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"]["grafana_folder"] == "MLflow"
    assert set(found["data"]) == {f"mlflow-{name}.json" for name in dashboards.NAMES}


def test_neither_is_told_where_nobody_asked(tmp_path: Path) -> None:
    server = {**SERVER, "uri": "http://mlflow.team-a.svc:5000", "workload": {}}
    names = {name for _kind, name in rendered(tmp_path, mlflow_monitoring_server=server)}
    assert names and not names & {"mlflow-monitoring-servers", "mlflow-monitoring-dashboards"}
