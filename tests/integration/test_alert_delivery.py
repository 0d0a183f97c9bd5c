"""An alert's whole way in real programs: a page of metrics, Prometheus, Alertmanager, a receiver; and back again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from support.loopback import Handler, serve
from support.processes import until
from support.prometheus import PATIENCE, Receiver, alertmanager, ask, prometheus

pytestmark = pytest.mark.ci

WELL = {
    'mlflow_ops_check_up{check="process"}': 1,
    'mlflow_ops_check_up{check="database_read"}': 1,
    "mlflow_ops_artifact_store_up": 1,
    "mlflow_ops_snapshot_success": 1,
    "mlflow_ops_snapshot_expected_seconds": 93600,
}
SCOPE = {"deployment": "stand-in"}


class Stand(Receiver):
    """C(page) is what is scraped."""

    def __init__(self) -> None:
        super().__init__()
        self.page: dict[str, float] = dict(WELL)

    def metrics(self, handler: Handler) -> None:
        now = {"mlflow_ops_snapshot_timestamp_seconds": time.time() - 3600}
        text = "".join(f"{name} {value}\n" for name, value in (now | self.page).items())
        handler.answer(200, text.encode())


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder, one = tmp_path_factory.mktemp("prometheus"), Stand()
    rules = rules_file({"down_minutes": 0}, SCOPE)
    with serve(one.metrics) as page, serve(one.hear) as receiver, alertmanager(folder, receiver.url) as manager:
        where = [{"targets": [page.url.removeprefix("http://")], "labels": SCOPE | {"job": "mlflow-ops"}}]
        with prometheus(folder, rules, where, manager) as url:
            until(lambda: ask(url, "mlflow_ops_check_up"), "nothing was scraped", PATIENCE)
            yield one


@pytest.mark.parametrize(
    ("alert", "series", "severity"),
    [
        ("MlflowServerDown", 'mlflow_ops_check_up{check="process"}', "critical"),
        ("MlflowDatabaseUnreachable", 'mlflow_ops_check_up{check="database_read"}', "critical"),
        ("MlflowArtifactStoreFailing", "mlflow_ops_artifact_store_up", "critical"),
        ("MlflowBackupFailed", "mlflow_ops_snapshot_success", "critical"),
    ],
)
def test_a_fault_reaches_a_receiver_and_its_end_too(stand: Stand, alert: str, series: str, severity: str) -> None:
    stand.told.clear()
    stand.page[series] = 0
    try:
        told = stand.wait_for(alert, "firing")
        assert told["labels"] == {"alertname": alert, "severity": severity, **SCOPE}
        assert "stand-in" in told["annotations"]["summary"]
        assert told["annotations"]["runbook_url"].endswith(f"/docs/runbook.md#{alert.lower()}")
    finally:
        stand.page[series] = 1
    stand.wait_for(alert, "resolved")
    # A fault is one alert, not many; what is over for an hour in the long windows of the objective may go on.
    assert {name for name, _state in stand.told} - {"MlflowErrorBudgetBurns"} == {alert}
