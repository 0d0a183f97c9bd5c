"""The exporter of a fleet: what a scrape says of its instances, without asking one, and what that costs."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import in_cluster
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring import exporter, fleet
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.metrics import METRICS
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.settings import Settings
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent
from support import dashboards, metrics_history
from support import exporter as exporting
from support.exporter import Values
from support.fleet_cluster import CONFIGURATIONS, SERVICES, VOLUMES
from support.fleet_tables import FLEET, PODS, FleetCluster
from support.playbooks import REPOSITORY

BEGUN = "2026-11-28T05:00:00Z", 1795842000.0


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetCluster]:
    found = FleetCluster(*"abcdefgh")
    monkeypatch.setattr(fleet, "_PAUSE_SECONDS", 0.0)
    with found.served(tmp_path) as (_loopback, env, account):
        monkeypatch.setattr(in_cluster, "ACCOUNT", account)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        yield found


def settings(*instances: str, **more: Any) -> Settings:
    declared = {"namespace": "tenants", "instances": list(instances), "count": 0, "pattern": "", **more}
    return Settings(FLEET, platform="kubernetes", profile="fleet", fleet=declared)


def scraped(*instances: str, **more: Any) -> Values:
    return exporting.parsed(exporter.once(settings(*instances, **more), silent))


def by_label(values: Values, metric: str) -> dict[str, float]:
    """By its label, what is not 0."""
    return {labels[0]: value for (name, labels), value in values.items() if name == metric and value}


def test_an_instance_is_in_one_state_and_all_states_are_told(cluster: FleetCluster) -> None:
    cluster.start("a")
    cluster.start("a", "1/2", "2026-11-28T06:00:00Z")
    cluster.start("b", "0/2", BEGUN[0])
    cluster.start("c", "2/2", deletionTimestamp="2026-11-28T06:00:00Z")
    cluster.services["d"] = {"Ready": "False", "Reason": "RevisionFailed"}
    cluster.start("d", "0/2", "2026-11-27T05:00:00Z")
    cluster.claims["e"]["Status"] = "Lost"
    del cluster.services["f"], cluster.services["g"]
    cluster.stopped = {"f"}
    cluster.start("another", "0/2", "2026-11-01T05:00:00Z")
    values = scraped(*"abcdefg")
    states = {"awake": 1, "starting": 1, "sleeping": 1, "unhealthy": 3, "stopped": 1, "undeclared": 1}
    assert by_label(values, "fleet_instances") == states
    assert {labels[0] for name, labels in values if name == "fleet_instances"} == set(fleet.STATES)
    assert values["fleet_instances_declared", ()] == sum(states.values()) - states["undeclared"] == 7
    assert values["fleet_instances_present", ()] == 6
    assert by_label(values, "fleet_instances_unhealthy") == {"not_ready": 1, "no_volume": 1, "missing": 1}
    assert by_label(values, "fleet_servers") == {"ready": 1, "starting": 3}, "none of another fleet, nor one that ends"
    assert values["fleet_starting_since_timestamp_seconds", ()] == BEGUN[1], "of what is healthy"
    assert (values["collection_success", ("fleet",)], values["info", ("", "kubernetes", "fleet")]) == (1, 1)
    assert values["collection_verdict", ("fleet", "broken")] == 1


def test_no_instance_is_asked_and_secrets_and_specs_are_not_read(cluster: FleetCluster) -> None:
    scraped(*"abcdefgh")
    assert [path for path, _query in cluster.asked] == [PODS, SERVICES, VOLUMES]
    scraped(*"abcdefghi")
    assert [path for path, _query in cluster.asked[3:]] == [PODS, SERVICES, CONFIGURATIONS, VOLUMES]
    assert {query["labelSelector"] for path, query in cluster.asked if path != PODS} == {
        "mlops.mlflow/fleet=tenants,app.kubernetes.io/managed-by=mlops.mlflow"
    }
    assert cluster.asked[0][1]["fieldSelector"] == "status.phase!=Failed,status.phase!=Succeeded"


def test_a_fleet_that_sleeps_is_healthy(cluster: FleetCluster) -> None:
    values = scraped(*"abcdefgh")
    assert by_label(values, "fleet_instances") == {"sleeping": 8}
    assert values["collection_verdict", ("fleet", "healthy")] == 1
    absent = {"fleet_starting_since_timestamp_seconds", "fleet_unhealthy_since_timestamp_seconds", "experiments"}
    assert not absent & {name for name, _labels in values}


def test_instances_may_be_declared_by_a_pattern(cluster: FleetCluster) -> None:
    cluster.services = {"t-1": {"Ready": "True"}, "vision": {"Ready": "True"}}
    values = scraped("vision", count=2, pattern="t-#")
    assert by_label(values, "fleet_instances") == {"sleeping": 2, "unhealthy": 1}
    with pytest.raises(BadInput, match="mlflow_fleet_pattern"):
        scraped(count=2, pattern="t")


def test_the_longest_unhealthy_are_named_since_when_and_never_more_than_a_few(
    cluster: FleetCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"t-{number:02}" for number in range(40)]
    cluster.services = {name: {"Ready": "True"} for name in names}
    now = [1.8e9]
    monkeypatch.setattr(time, "time", lambda: now[0])
    read = fleet.Fleet(settings(*names))

    def named(*broken: str) -> dict[str, float]:
        cluster.services |= {name: {"Ready": str(name not in broken)} for name in names}
        now[0] += 60
        samples = read().samples
        return {one.labels[0]: one.value for one in samples if one.name == "fleet_unhealthy_since_timestamp_seconds"}

    assert named("t-39") == {"t-39": 1.8e9 + 60}
    most = named(*names)
    assert len(most) == fleet.NAMED and most["t-39"] == 1.8e9 + 60 and most["t-00"] == 1.8e9 + 120
    assert named("t-00") == {"t-00": 1.8e9 + 120}
    assert named("t-00", "t-39") == {"t-00": 1.8e9 + 120, "t-39": 1.8e9 + 240}, "it was healthy meanwhile"


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([403, 403, 403], "not_allowed_to_look"),
        ([503, 503, 503], "could_not_look"),
        ([404], "could_not_look"),
        ([503, 410], "healthy"),
    ],
)
def test_what_the_cluster_does_not_tell_is_not_claimed(
    cluster: FleetCluster, statuses: list[int], verdict: str
) -> None:
    cluster.refusals[SERVICES] = statuses
    values = scraped(*"abcdefgh")
    assert values["collection_verdict", ("fleet", verdict)] == 1
    assert (
        bool(by_label(values, "fleet_instances")) == (verdict == "healthy") == values["collection_success", ("fleet",)]
    )


def test_a_token_and_an_authority_that_were_exchanged_are_read_anew(cluster: FleetCluster) -> None:
    file = in_cluster.ACCOUNT / "token"
    token = file.read_text()
    file.write_text("of somebody else")
    values = scraped(*"abcdefgh")
    assert values["collection_success", ("fleet",)] == 0
    file.write_text(token)
    assert scraped(*"abcdefgh")["collection_success", ("fleet",)] == 1


def test_a_clusters_authority_needs_no_extensions_that_only_newer_pythons_ask_for(
    cluster: FleetCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ssl.create_default_context

    def strict(**given: Any) -> ssl.SSLContext:
        context = made(**given)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # as since Python 3.13, which the image has
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    context = in_cluster._trusting(in_cluster.ACCOUNT / "ca.crt")
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname


def test_outside_of_a_cluster_it_says_what_is_missing(
    cluster: FleetCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_cluster, "ACCOUNT", tmp_path / "absent")
    with pytest.raises(BadInput, match="no token of a ServiceAccount"):
        fleet.Fleet(settings("a"))()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(BadInput, match="no pod of a cluster"):
        fleet.Fleet(settings("a"))()


# At its end it says what it held at most, in KiB, and the seconds of CPU that it took.
PROGRAM = """
import os, pathlib, re, sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import in_cluster
in_cluster.ACCOUNT = pathlib.Path(sys.argv.pop(1))
try:
    cli.main(["export", "--once", "--settings", sys.argv[1]])
finally:
    [held] = re.findall("VmHWM: *([0-9]+) kB", pathlib.Path("/proc/self/status").read_text().replace("\\t", " "))
    print("\\n" + held, sum(os.times()[:2]), file=sys.stderr)
"""


@dataclass(frozen=True)
class Taken:
    values: Values
    asked: list[str]
    mib: float
    seconds: float


def measured(folder: Path, count: int) -> Taken:
    """A scrape of the command itself over so many instances, of which each tenth is awake and each hundredth
    unhealthy."""
    folder.mkdir()
    names = [f"t-{number:05}" for number in range(1, count + 1)]
    cluster = FleetCluster(*names)
    for name in names[::10]:
        cluster.start(name)
    cluster.services |= {name: {"Ready": "False", "Reason": "RevisionFailed"} for name in names[1::100]}
    told = {"namespace": "tenants", "instances": [], "count": count, "pattern": "t-#####"}
    file = folder / "monitoring.json"
    file.write_text(json.dumps({"name": FLEET, "fleet": told}))
    with cluster.served(folder) as (_loopback, env, account):
        path = {"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY / ".dev")}
        command = [sys.executable, "-c", PROGRAM, str(account), str(file)]
        done = subprocess.run(command, env={**env, **path}, capture_output=True, text=True, check=True)
    held, seconds = done.stderr.splitlines()[-1].split()
    asked = [path for path, _query in cluster.asked]
    return Taken(exporting.parsed(done.stdout), asked, int(held) / 1024, float(seconds))


def test_ten_thousand_instances_cost_a_list_a_kind_in_pages_few_series_and_little_memory(tmp_path: Path) -> None:
    few, many = measured(tmp_path / "few", 100), measured(tmp_path / "many", 10_000)
    assert by_label(many.values, "fleet_instances") == {"awake": 1000, "sleeping": 8900, "unhealthy": 100}
    assert {path: many.asked.count(path) for path in many.asked} == {PODS: 2, SERVICES: 20, VOLUMES: 20}
    assert len(many.values) <= len(few.values) + fleet.NAMED < 60
    for count, one in ((100, few), (10_000, many)):
        print(f"\n{count} instances: {one.mib:.0f} MiB, {one.seconds:.2f} s of CPU with the start")
    assert many.mib - few.mib < 64, "the limit of its pod is 512"


SELECTED = re.compile(r"mlflow_ops_(\w+)(?:\{([^}]*)\})?")
# By which a scrape marks all series, and what Grafana and rules select a deployment by.
OF_SCRAPES = {"deployment", "namespace"}


@pytest.mark.parametrize("source", ["rules", *dashboards.NAMES])
def test_what_rules_and_panels_read_is_exported_with_these_labels(source: str) -> None:
    if source == "rules":
        read = [rule["expr"] for group in rules_file({})["groups"] for rule in group["rules"]]
    else:
        read = [query.expression for query in dashboards.queries(source)]
    selections = [found for text in read for found in SELECTED.findall(text)]
    assert selections
    for name, selector in selections:
        assert name in METRICS, name
        labels = dict(re.findall(r'(\w+)[=!]~?"([^"]*)"', selector))
        assert set(labels) <= {*METRICS[name][0], *OF_SCRAPES}, f"{name}{{{selector}}}"
        if name == "fleet_instances" and "state" in labels:
            assert labels["state"] in fleet.STATES


def test_the_made_up_metrics_that_panels_are_tried_with_are_those_of_the_exporter(cluster: FleetCluster) -> None:
    def series(name: str, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        # What instances are called, and what each of them lacks, is another one's business.
        return name, labels if len(labels) < 2 else ()

    made_up = {series(name, tuple(labels.values())) for name, labels, _value in metrics_history.of_a_fleet(0)}
    cluster.start("a", "0/2")
    cluster.services["b"] = {"Ready": "False"}
    exported = {series(f"mlflow_ops_{name}", labels) for name, labels in scraped(*"abc") if name.startswith("fleet_")}
    assert made_up == exported
