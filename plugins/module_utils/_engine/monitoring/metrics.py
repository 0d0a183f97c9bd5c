# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metrics: what each is called, its labels and what it means; and values of them as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "mlflow_ops_"
HEALTHY, BROKEN = "healthy", "broken"
UNSEEN, NOT_ALLOWED = "could_not_look", "not_allowed_to_look"
VERDICTS = (HEALTHY, BROKEN, UNSEEN, NOT_ALLOWED)

# By name: labels, and what it is.
METRICS: dict[str, tuple[tuple[str, ...], str]] = {
    "info": (("version", "platform", "profile"), "What is deployed. Always 1"),
    "check_up": (("check",), "Whether a check of the deep health held. Absent where it could not be tried"),
    "check_seconds": (("check",), "How long a check of the deep health took"),
    "experiments": ((), "Experiments that are not deleted"),
    "runs": (("status",), "Runs that are not deleted, by status; an estimate above 200,000"),
    "registered_models": ((), "Registered models"),
    "model_versions": ((), "Versions of registered models that are not deleted; an estimate above 200,000"),
    "traces": ((), "Traces; an estimate above 200,000"),
    "users": ((), "Users of the login"),
    "workspaces": ((), "Workspaces"),
    "database_bytes": ((), "What the database takes"),
    "database_dead_rows_ratio": ((), "Share of the database's rows that are dead and still take their place"),
    "database_connections": ((), "Open connections, of those that database_connections_budget counts"),
    "database_connections_budget": (
        (),
        "Connections that there can be: of the server, or of our role where fewer are left",
    ),
    "schema_matches": ((), "Whether the schemas of all databases are what the deployed MLflow needs"),
    "lock_held": ((), "Whether an operation holds the lock of the deployment"),
    "snapshot_timestamp_seconds": ((), "When the newest snapshot was begun; 0 where there is none"),
    "snapshot_success": ((), "Whether the newest snapshot is whole and no backup has failed since"),
    "snapshot_expected_seconds": ((), "The longest time between two backups that the schedule promises"),
    "drill_timestamp_seconds": ((), "When the last drill of a restore ended; 0 where there was none"),
    "drill_success": ((), "Whether the last drill of a restore succeeded"),
    "drill_expected_seconds": ((), "The longest time between two drills that is promised"),
    "artifact_store_up": ((), "Whether the store of the artifacts can be read"),
    "artifact_bytes": ((), "What the artifacts take; counted once an hour, absent where there are too many to count"),
    "disk_free_bytes": (("volume",), "What is free of the file system of a volume"),
    "disk_size_bytes": (("volume",), "The size of the file system of a volume"),
    "certificate_expiry_timestamp_seconds": (("certificate",), "When a certificate ends"),
    "fleet_instances": (("state",), "Instances of a fleet, each in one state; it declares all but the undeclared"),
    "fleet_instances_declared": ((), "Instances of a fleet that there should be"),
    "fleet_instances_present": ((), "Instances of a fleet that the cluster has, in whatever state"),
    "fleet_instances_unhealthy": (("fault",), "Unhealthy instances of a fleet by what is wrong with them"),
    "fleet_unhealthy_since_timestamp_seconds": (
        ("name", "fault"),
        "When the exporter first saw that an instance is unhealthy; of the 20 that are it for the longest time",
    ),
    "fleet_servers": (("state",), "Pods of the servers of a fleet, ready or starting"),
    "fleet_starting_since_timestamp_seconds": ((), "When the longest start that is under way was begun"),
    "collection_success": (("part",), "Whether a part could be measured in its last round"),
    "collection_verdict": (("part", "verdict"), "What the last round found: 1 for one of the verdicts"),
    "collection_seconds": (("part",), "How long the last round took"),
    "collection_timestamp_seconds": (("part",), "When the last round ended"),
}


@dataclass(frozen=True)
class Sample:
    """One value. C(labels) are those that METRICS lists, in that order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What a round of a part found.

    :param verdict: one of VERDICTS, of what was looked at.
    :param message: why it is not healthy.
    :param measured: whether everything of it could be measured.
    """

    samples: list[Sample] = field(default_factory=list)
    verdict: str = HEALTHY
    message: str = ""
    measured: bool = True


def families(samples: Iterable[Sample]) -> Iterator[Any]:
    """The samples as the library exposes them, in the order of METRICS."""
    from prometheus_client.core import GaugeMetricFamily

    found: Mapping[str, Any] = {
        name: GaugeMetricFamily(PREFIX + name, text, labels=labels) for name, (labels, text) in METRICS.items()
    }
    for sample in samples:
        found[sample.name].add_metric(sample.labels, sample.value)
    yield from (family for family in found.values() if family.samples)
