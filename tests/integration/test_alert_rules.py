"""Every alert in Prometheus' own evaluation (promtool): what makes it fire, with its summary, and what does not."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import RUNBOOK, rules_file
from support.debian_programs import program

pytestmark = pytest.mark.ci

SCOPE = {"deployment": "one", "namespace": "team"}
_OF = 'deployment="one",namespace="team"'
# In seconds: all series begin at 0, and are looked at two days later unless something else is said.
DAY = 86400
Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """C(fires) and C(silent) are what a Prometheus has scraped each minute, in promtool's notation, by series."""

    alert: str
    fires: Series
    silent: Series
    summary: str
    severity: str = "warning"
    labels: dict[str, str] = field(default_factory=dict)
    at: str = "30m"


def ops(name: str, values: str, **labels: str) -> Series:
    """A series of the exporter."""
    return {f"mlflow_ops_{name}{{{_written(labels)}}}": values}


def _written(labels: dict[str, str]) -> str:
    return ",".join([_OF, *(f'{name}="{value}"' for name, value in labels.items())])


def requests(good: str, failed: str = "") -> Series:
    found = {f'mlflow_http_request_total{{{_OF},method="GET",status="200"}}': good}
    return found | ({f'mlflow_http_request_total{{{_OF},method="GET",status="500"}}': failed} if failed else {})


def durations(within_1: str, within_5: str) -> Series:
    name = "mlflow_http_request_duration_seconds_bucket"
    bounds = {"1.0": within_1, "5.0": within_5, "+Inf": within_5}
    return {f'{name}{{{_OF},le="{bound}"}}': values for bound, values in bounds.items()}


def _age(what: str, when: int, expected: str = "86400x3000") -> Series:
    return ops(f"{what}_timestamp_seconds", f"{when}x3000") | ops(f"{what}_expected_seconds", expected)


_BUSY, _WELL = "0+60x60", "1x60"
CASES = [
    Case(
        "MlflowServerDown",
        ops("check_up", "1x10 0x50", check="process"),
        # One scrape in which nothing answered, as while a server restarts.
        ops("check_up", "1x25 0 1x50", check="process"),
        "No server of one answers, for 2 minutes",
        "critical",
    ),
    Case(
        "MlflowSlow",
        durations("0+10x60", "0+60x60") | requests(_BUSY),
        durations("0+59x60", "0+60x60") | requests(_BUSY),
        "5 of 100 requests to one take over 4.76 s (limit 2 s)",
    ),
    Case(
        "MlflowSlow",
        durations("0+1x60", "0+6x60") | requests("0+6x60"),
        # Three requests in five minutes.
        durations("0+0x60", "0+0.6x60") | requests("0+0.6x60"),
        "5 of 100 requests to one take over 4.76 s (limit 2 s)",
    ),
    Case(
        "MlflowErrors",
        requests(_BUSY, "0+20x60"),
        requests(_BUSY, "0+6x60"),
        "25 % of the requests of one fail (limit 10 %)",
        "critical",
    ),
    # A single request in five minutes, which failed, is no share.
    Case(
        "MlflowErrors",
        requests("0+0x60", "0+60x60"),
        requests("0+0x60", "0+0.2x60"),
        "100 % of the requests of one fail (limit 10 %)",
        "critical",
    ),
    Case(
        "MlflowSchemaMismatch",
        ops("schema_matches", "0x60"),
        ops("schema_matches", _WELL),
        "The schema of the database of one is not that of its MLflow",
        "critical",
    ),
    Case(
        "MlflowCertificateNearExpiry",
        ops("certificate_expiry_timestamp_seconds", f"{3 * DAY}x3000", certificate="server"),
        ops("certificate_expiry_timestamp_seconds", f"{90 * DAY}x3000", certificate="server"),
        "The certificate server of one ends in 1d 0h 0m 0s",
        labels={"certificate": "server"},
        at="2d",
    ),
    Case(
        "MlflowDatabaseUnreachable",
        ops("check_up", "0x60", check="database_read"),
        ops("check_up", _WELL, check="database_read")
        | ops("collection_verdict", "0x60", part="database", verdict="broken"),
        "The database of one does not answer, for 2 minutes",
        "critical",
    ),
    Case(
        "MlflowDatabaseUnreachable",
        ops("collection_verdict", _WELL, part="database", verdict="broken"),
        # The server is away, and says nothing of its database; during a restore nobody asks.
        ops("check_up", "0x60", check="process")
        | ops("collection_verdict", _WELL, part="database", verdict="could_not_look"),
        "The database of one does not answer, for 2 minutes",
        "critical",
    ),
    Case(
        "MlflowConnectionsNearBudget",
        ops("database_connections", "85x60") | ops("database_connections_budget", "100x60"),
        ops("database_connections", "80x60") | ops("database_connections_budget", "100x60"),
        "one uses 85 % of its database's connections (limit 80 %)",
    ),
    Case(
        "MlflowBackupOverdue",
        _age("snapshot", DAY // 2),
        _age("snapshot", DAY),
        "The newest snapshot of one is 1d 12h 0m 0s old",
        at="2d",
    ),
    # Never one is another alert's; and where nothing is scheduled, no age is too old.
    Case(
        "MlflowBackupOverdue",
        _age("snapshot", 1),
        _age("snapshot", 0) | ops("snapshot_timestamp_seconds", "1x3000", instance="unscheduled"),
        "The newest snapshot of one is 1d 23h 59m 59s old",
        at="2d",
    ),
    Case(
        "MlflowBackupMissing",
        _age("snapshot", 0),
        # A deployment whose first night is yet to come.
        ops("snapshot_timestamp_seconds", "_x1500 0x1500") | ops("snapshot_expected_seconds", "_x1500 86400x1500"),
        "one has no snapshot, 26 hours after backups were scheduled",
        at="2d",
    ),
    Case(
        "MlflowBackupFailed",
        ops("snapshot_success", "1x10 0x50") | ops("snapshot_timestamp_seconds", "60x60"),
        ops("snapshot_success", "0x10 1x50") | ops("snapshot_timestamp_seconds", "60x60"),
        "The last backup of one failed",
        "critical",
    ),
    Case(
        "MlflowBackupFailed",
        ops("snapshot_success", "0x60") | ops("snapshot_timestamp_seconds", "60x60"),
        # There is none yet: it is missing.
        ops("snapshot_success", "0x60") | ops("snapshot_timestamp_seconds", "0x60"),
        "The last backup of one failed",
        "critical",
    ),
    Case(
        "MlflowDrillOverdue",
        _age("drill", DAY // 2),
        _age("drill", DAY),
        "The last drill of one was 1d 12h 0m 0s ago",
        at="2d",
    ),
    Case(
        "MlflowDrillMissing",
        ops("drill_timestamp_seconds", "0x12000") | ops("drill_expected_seconds", "2678400x12000"),
        ops("drill_timestamp_seconds", "0x9000 540000x3000") | ops("drill_expected_seconds", "2678400x12000"),
        "No snapshot of one was proven by a drill, 7 days after drills were promised",
        at="8d",
    ),
    Case(
        "MlflowDrillFailed",
        ops("drill_success", "0x60"),
        ops("drill_success", _WELL),
        "The last drill of one failed: its snapshot cannot be restored",
        "critical",
    ),
    Case(
        "MlflowArtifactStoreFailing",
        ops("artifact_store_up", "0x60"),
        ops("artifact_store_up", _WELL),
        "The artifact store of one does not answer, for 2 minutes",
        "critical",
    ),
    Case(
        "MlflowArtifactStoreFailing",
        ops("artifact_store_up", _WELL) | ops("check_up", "0x60", check="artifacts"),
        ops("artifact_store_up", _WELL) | ops("check_up", _WELL, check="artifacts"),
        "The artifact store of one does not answer, for 2 minutes",
        "critical",
    ),
    Case(
        "MlflowDiskNearlyFull",
        ops("disk_free_bytes", "5x60", volume="data") | ops("disk_size_bytes", "100x60", volume="data"),
        ops("disk_free_bytes", "10x60", volume="data") | ops("disk_size_bytes", "100x60", volume="data"),
        "5 % of the disk data of one are free (limit 10 %)",
        labels={"volume": "data"},
    ),
    Case(
        "MlflowFleetInstancesFailing",
        ops("fleet_instances", "3x60", state="unhealthy"),
        ops("fleet_instances", "0x60", state="unhealthy") | ops("fleet_instances", "9x60", state="stopped"),
        "3 instances of the fleet one are unhealthy",
    ),
    Case(
        "MlflowExporterDown",
        {f'up{{job="mlflow-ops",{_OF}}}': "0x60"},
        # One of two, while it is replaced; servers are another alert's.
        {
            f'up{{job="mlflow-ops",instance="a",{_OF}}}': "0x60",
            f'up{{job="mlflow-ops",instance="b",{_OF}}}': _WELL,
            f'up{{job="mlflow",{_OF}}}': "0x60",
        },
        "The exporter of one is not scraped: nothing else is known of it",
    ),
    Case(
        "MlflowCollectionFailing",
        ops("collection_success", "0x60", part="counts"),
        ops("collection_success", "0x25 1x50", part="counts"),
        "The exporter of one cannot collect counts",
        labels={"part": "counts"},
    ),
    Case(
        "MlflowPodsRestarting",
        {'kube_pod_container_status_restarts_total{namespace="team",pod="one-0"}': "0x20 0+1x50"},
        {'kube_pod_container_status_restarts_total{namespace="team",pod="one-0"}': "0x20 3x50"},
        "The pod one-0 restarted 5 times within an hour",
        labels={"pod": "one-0"},
        at="26m",
    ),
    Case(
        "MlflowVolumeNearlyFull",
        {
            'kubelet_volume_stats_available_bytes{namespace="team",persistentvolumeclaim="one-artifacts"}': "4x60",
            'kubelet_volume_stats_capacity_bytes{namespace="team",persistentvolumeclaim="one-artifacts"}': "100x60",
        },
        {
            'kubelet_volume_stats_available_bytes{namespace="other",persistentvolumeclaim="x"}': "4x60",
            'kubelet_volume_stats_capacity_bytes{namespace="other",persistentvolumeclaim="x"}': "100x60",
        },
        "4 % of the volume one-artifacts are free (limit 10 %)",
        labels={"persistentvolumeclaim": "one-artifacts"},
    ),
]


def expected(case: Case) -> dict[str, Any]:
    return {
        "exp_labels": {**SCOPE, "severity": case.severity, **case.labels},
        "exp_annotations": {"summary": case.summary, "runbook_url": f"{RUNBOOK}#{case.alert.lower()}"},
    }


def burning(windows: dict[str, str], severities: dict[str, str]) -> list[dict[str, Any]]:
    """The alerts of the objective: what was missed in each of these windows."""
    return [
        {
            "exp_labels": {**SCOPE, "severity": severities[window], "window": window},
            "exp_annotations": {
                "summary": f"{share} of one failed in {window}; the objective is 99.5 % in 30 days",
                "runbook_url": f"{RUNBOOK}#mlflowerrorbudgetburns",
            },
        }
        for window, share in windows.items()
    ]


def test(series: Series, alert: str, at: str, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": alerts}],
    }


test.__test__ = False  # type: ignore[attr-defined]


def promtool(folder: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """Only the groups that are asked for, and over days not each minute: a window of three days is dear."""
    asked = {one["alertname"] for each in tests for one in each["alert_rule_test"]}
    groups = [one for one in rules_file({}, SCOPE)["groups"] if asked & {rule.get("alert") for rule in one["rules"]}]
    long = any(one["eval_time"] in ("2d", "3d", "8d") for each in tests for one in each["alert_rule_test"])
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}))
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "20m" if long else "1m", "tests": tests}
    (folder / "test.yml").write_text(json.dumps(content))
    command = [str(program("promtool")), "test", "rules", "test.yml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=900)


def holds(folder: Path, *tests: dict[str, Any]) -> None:
    done = promtool(folder, list(tests))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_with_its_numbers_and_not_otherwise(case: Case, tmp_path: Path) -> None:
    holds(
        tmp_path,
        test(case.fires, case.alert, case.at, [expected(case)]),
        test(case.silent, case.alert, case.at, []),
    )


def test_every_alert_is_among_the_cases() -> None:
    names = {rule["alert"] for group in rules_file({}, SCOPE)["groups"] for rule in group["rules"] if "alert" in rule}
    assert names == {case.alert for case in CASES} | {"MlflowErrorBudgetBurns"}


def test_a_series_that_is_born_with_its_first_scrape_has_no_p95_and_fires_nothing(tmp_path: Path) -> None:
    """All its requests, of minutes each, came before the first scrape: a rate of 0, and 0 / 0 is NaN."""
    born = test(durations("0x60", "500x60") | requests("500x60"), "MlflowSlow", "30m", [])
    queries = ("deployment:mlflow_http_request_duration_seconds:p95_5m", "deployment:mlflow_http_errors:percent_5m")
    born["promql_expr_test"] = [{"expr": query, "eval_time": "30m", "exp_samples": []} for query in queries]
    holds(tmp_path, born)


SEVERITIES = {"1h": "critical", "6h": "critical", "1d": "warning", "3d": "warning"}


def test_the_error_budget_burns_fast_slowly_and_not_any_more(tmp_path: Path) -> None:
    def name(series: Series, at: str, **windows: str) -> dict[str, Any]:
        shares = {window.removeprefix("w"): share for window, share in windows.items()}
        return test(series, "MlflowErrorBudgetBurns", at, burning(shares, SEVERITIES))

    half = requests("0+50x4320", "0+50x4320")
    holds(
        tmp_path,
        # Half of all requests, since the beginning: every window says so.
        name(half, "2h", w1h="50%", w6h="50%", w1d="50%", w3d="50%"),
        # One of a hundred, for three days: only the slowest window.
        name(requests("0+99x4320", "0+1x4320"), "3d", w3d="1%"),
        # One of 500 is within the objective.
        name(requests("0+499x4320", "0+1x4320"), "3d"),
        # Half of all for ten minutes of two hours, ten minutes ago: it is over, and no short window of an hour has it.
        name(requests("0+50x120", "0x100 0+50x10 500x10"), "2h", w6h="7.692%", w1d="7.692%", w3d="7.692%"),
        # No server answered for an hour, and so nobody could be counted.
        name(ops("check_up", "1x59 0x60", check="process"), "2h", w1h="100%", w6h="50.41%", w1d="50.41%", w3d="50.41%"),
        # A night in which one request came, and failed.
        name(requests("0x4320", "0x100 1x4000"), "2h"),
    )


def test_promtool_finds_what_does_not_hold(tmp_path: Path) -> None:
    case = CASES[0]
    done = promtool(tmp_path, [test(case.silent, case.alert, case.at, [expected(case)])])
    assert done.returncode == 1 and "MlflowServerDown" in done.stdout + done.stderr
