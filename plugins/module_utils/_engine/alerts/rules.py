# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every alert, by the group that Prometheus evaluates together. docs/runbook.md has a section for each.

A comparison with NaN never holds: a quiet server, or a series that was born with its first scrape and divides by zero,
fires nothing. Records drop it besides, because a panel would show it.
"""

from __future__ import annotations

from . import objective
from .rule import Alert, Record

_BY = "by (deployment, namespace)"
_WHO = "{{ $labels.deployment }}"
_PERCENT = '{{ $value | printf "%.0f" }} %'
_AGE = "{{ $value | humanizeDuration }}"
_P95 = "deployment:mlflow_http_request_duration_seconds:p95_5m"
_ERRORS = "deployment:mlflow_http_errors:percent_5m"
_EVERY = f"sum {_BY} (rate(mlflow_http_request_total{{$scope}}[5m]))"
_FAILED = f'sum {_BY} (rate(mlflow_http_request_total{{status=~"5..",$scope}}[5m]))'
_BUCKETS = f"sum {_BY[:-1]}, le) (rate(mlflow_http_request_duration_seconds_bucket{{$scope}}[5m]))"
_ASKED = f"sum {_BY} (increase(mlflow_http_request_total{{$scope}}[5m])) >= $requests_least"


def _overdue(what: str) -> str:
    """Older than was promised, and the next has had its time. It is 0 where there never was one: another alert's."""
    newest = f"mlflow_ops_{what}_timestamp_seconds{{$scope}}"
    return f"time() - ({newest} > 0) > mlflow_ops_{what}_expected_seconds + 3600 * $overdue_hours"


def _missing(what: str) -> str:
    return f"mlflow_ops_{what}_expected_seconds{{$scope}} and mlflow_ops_{what}_timestamp_seconds == 0"


GROUPS: dict[str, list[Alert | Record]] = {
    "server": [
        Record(_P95, f"histogram_quantile(0.95, {_BUCKETS}) >= 0"),
        Record(_ERRORS, f"100 * ({_FAILED} or 0 * {_EVERY}) / ({_EVERY} > 0)"),
        Alert(
            "MlflowServerDown",
            f'min {_BY} (mlflow_ops_check_up{{check="process",$scope}}) == 0',
            "critical",
            f"No server of {_WHO} answers, for $down_minutes minutes",
            "$down",
        ),
        Alert(
            "MlflowSlow",
            f"{_P95}{{$scope}} > $latency_seconds and {_ASKED}",
            "warning",
            f'5 of 100 requests to {_WHO} take over {{{{ $value | printf "%.2f" }}}} s (limit $latency_seconds s)',
            "5m",
        ),
        Alert(
            "MlflowErrors",
            f"{_ERRORS}{{$scope}} > $errors_percent and {_ASKED}",
            "critical",
            f"{_PERCENT} of the requests of {_WHO} fail (limit $errors_percent %)",
            "5m",
        ),
        Alert(
            "MlflowSchemaMismatch",
            f"min {_BY} (mlflow_ops_schema_matches{{$scope}}) == 0",
            "critical",
            f"The schema of the database of {_WHO} is not that of its MLflow",
            "5m",
        ),
        Alert(
            "MlflowCertificateNearExpiry",
            "mlflow_ops_certificate_expiry_timestamp_seconds{$scope} - time() < 86400 * $certificate_days",
            "warning",
            f"The certificate {{{{ $labels.certificate }}}} of {_WHO} ends in {_AGE}",
            "1h",
        ),
    ],
    "database": [
        Alert(
            "MlflowDatabaseUnreachable",
            f'min {_BY} (mlflow_ops_check_up{{check="database_read",$scope}}) == 0'
            f' or max {_BY} (mlflow_ops_collection_verdict{{part="database",verdict="broken",$scope}}) == 1',
            "critical",
            f"The database of {_WHO} does not answer, for $down_minutes minutes",
            "$down",
        ),
        Alert(
            "MlflowConnectionsNearBudget",
            f"100 * sum {_BY} (mlflow_ops_database_connections{{$scope}})"
            f" / sum {_BY} (mlflow_ops_database_connections_budget{{$scope}} > 0) > $connections_percent",
            "warning",
            f"{_WHO} uses {_PERCENT} of its database's connections (limit $connections_percent %)",
            "5m",
        ),
    ],
    "backups": [
        Alert(
            "MlflowBackupOverdue", _overdue("snapshot"), "warning", f"The newest snapshot of {_WHO} is {_AGE} old", "5m"
        ),
        Alert(
            "MlflowBackupMissing",
            _missing("snapshot"),
            "warning",
            f"{_WHO} has no snapshot, $first_backup_hours hours after backups were scheduled",
            "$first_backup",
        ),
        Alert(
            "MlflowBackupFailed",
            # Where there never was one, it is missing.
            f"min {_BY} (mlflow_ops_snapshot_success{{$scope}}) == 0"
            " and on (deployment, namespace) mlflow_ops_snapshot_timestamp_seconds > 0",
            "critical",
            f"The last backup of {_WHO} failed",
        ),
        Alert("MlflowDrillOverdue", _overdue("drill"), "warning", f"The last drill of {_WHO} was {_AGE} ago", "5m"),
        Alert(
            "MlflowDrillMissing",
            _missing("drill"),
            "warning",
            f"No snapshot of {_WHO} was proven by a drill, $first_drill_days days after drills were promised",
            "$first_drill",
        ),
        Alert(
            "MlflowDrillFailed",
            f"min {_BY} (mlflow_ops_drill_success{{$scope}}) == 0",
            "critical",
            f"The last drill of {_WHO} failed: its snapshot cannot be restored",
        ),
    ],
    "storage": [
        Alert(
            "MlflowArtifactStoreFailing",
            # As the servers see it, each minute; and as the exporter does, less often.
            f'min {_BY} (mlflow_ops_check_up{{check="artifacts",$scope}}) == 0'
            f" or min {_BY} (mlflow_ops_artifact_store_up{{$scope}}) == 0",
            "critical",
            f"The artifact store of {_WHO} does not answer, for $down_minutes minutes",
            "$down",
        ),
        Alert(
            "MlflowDiskNearlyFull",
            "100 * mlflow_ops_disk_free_bytes{$scope} / (mlflow_ops_disk_size_bytes > 0) < $disk_free_percent",
            "warning",
            f"{_PERCENT} of the disk {{{{ $labels.volume }}}} of {_WHO} are free (limit $disk_free_percent %)",
            "5m",
        ),
    ],
    "fleet": [
        Alert(
            "MlflowFleetInstancesFailing",
            f'sum {_BY} (mlflow_ops_fleet_instances{{state="unhealthy",$scope}}) > $unhealthy_instances',
            "warning",
            f"{{{{ $value }}}} instances of the fleet {_WHO} are unhealthy",
            "10m",
        ),
    ],
    "monitoring": [
        Alert(
            "MlflowExporterDown",
            f'max {_BY} (up{{job="mlflow-ops",$scope}}) == 0',
            "warning",
            f"The exporter of {_WHO} is not scraped: nothing else is known of it",
            "10m",
        ),
        Alert(
            "MlflowCollectionFailing",
            "mlflow_ops_collection_success{$scope} == 0",
            "warning",
            f"The exporter of {_WHO} cannot collect {{{{ $labels.part }}}}",
            "15m",
        ),
    ],
    "objective": [*objective.records(), *objective.alerts()],
}
# Of series of a cluster, by kube-state-metrics and the kubelets, which know the namespace and no deployment.
KUBERNETES: list[Alert | Record] = [
    Alert(
        "MlflowPodsRestarting",
        'sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total{namespace="$namespace"}[1h]))'
        " > $restarts",
        "warning",
        'The pod {{ $labels.pod }} restarted {{ $value | printf "%.0f" }} times within an hour',
    ),
    Alert(
        "MlflowVolumeNearlyFull",
        '100 * kubelet_volume_stats_available_bytes{namespace="$namespace"}'
        ' / (kubelet_volume_stats_capacity_bytes{namespace="$namespace"} > 0) < $disk_free_percent',
        "warning",
        f"{_PERCENT} of the volume {{{{ $labels.persistentvolumeclaim }}}} are free (limit $disk_free_percent %)",
        "5m",
    ),
]
