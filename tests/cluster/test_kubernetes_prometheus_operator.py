"""The real operator of Prometheus is told by the role; Prometheus scrapes, a fault reaches a receiver, and so does its
end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl, eventually, name
from support.playbooks import REPOSITORY
from support.prometheus import IN_A_CONTAINER, PATIENCE, api, ask
from support.testbed import images, target_images
from support.testbed import prometheus_operator as operator

pytestmark = pytest.mark.cluster

GROUP = "monitoring.coreos.com"
# By which the operator's Prometheus and nobody else's is told.
LABELS = {"read-by": "tests"}
ROUTING = {
    "route": {"receiver": "chat", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"},
    "receivers": [{"name": "chat", "webhook_configs": [{"url": "http://receiver:8080/"}]}],
}


def one(kind: str, named: str, version: str = f"{GROUP}/v1", **content: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": named}, **content}


def in_image(container: str, *command: str) -> list[dict[str, Any]]:
    """Debian's programs, where the operator expects those of the official images."""
    return [{"name": container, "command": list(command)}]


RECEIVER: dict[str, Any] = {
    "containers": [
        {
            "name": "receiver",
            "image": target_images.MLFLOW,
            "command": ["/opt/mlflow/bin/python", "-c", IN_A_CONTAINER],
            "ports": [{"containerPort": 8080}],
        }
    ]
}
# Snapshots on a volume are not seen by a pod that always runs.
KEYS = {"access-key": "backups", "secret-key": "a-key-of-tests"}
BUCKET: dict[str, Any] = {
    "containers": [
        {
            "name": "bucket",
            "image": images.name("versitygw"),
            "args": ["--port", ":7070", "posix", "/data"],
            "env": [
                {"name": "ROOT_ACCESS_KEY", "value": KEYS["access-key"]},
                {"name": "ROOT_SECRET_KEY", "value": KEYS["secret-key"]},
            ],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
    ],
    "volumes": [{"name": "data", "emptyDir": {}}],
}
MAKE_BUCKET = f"""
import boto3
boto3.client(
    "s3", endpoint_url="http://bucket:7070", region_name="us-east-1",
    aws_access_key_id="{KEYS["access-key"]}", aws_secret_access_key="{KEYS["secret-key"]}",
).create_bucket(Bucket="backups")
"""
RULES = {"groups": [{"name": "mlflow", "rules": [{"alert": "Down", "expr": "up == 0"}]}]}
SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}}
OBJECTS = (
    one("Secret", "routing", "v1", stringData={"alertmanager.yaml": json.dumps(ROUTING)}),
    one(
        "Alertmanager",
        "tests",
        spec={
            "image": operator.IMAGE,
            "version": operator.ALERTMANAGER_VERSION,
            "replicas": 1,
            "configSecret": "routing",
            "resources": SMALL,
            "containers": in_image("alertmanager", "/usr/bin/alertmanager"),
        },
    ),
    one(
        "Prometheus",
        "tests",
        spec={
            "image": operator.IMAGE,
            "version": operator.PROMETHEUS_VERSION,
            "serviceAccountName": "prometheus",
            "podMonitorSelector": {"matchLabels": LABELS},
            "podMonitorNamespaceSelector": {},
            "ruleSelector": {"matchLabels": LABELS},
            "ruleNamespaceSelector": {},
            "scrapeInterval": "2s",
            "evaluationInterval": "1s",
            "alerting": {
                "alertmanagers": [{"namespace": operator.NAMESPACE, "name": "alertmanager-operated", "port": "web"}]
            },
            "resources": SMALL,
            "containers": in_image("prometheus", "/usr/bin/prometheus"),
        },
    ),
    *(
        thing
        for called, spec, port in (("receiver", RECEIVER, 8080), ("bucket", BUCKET, 7070))
        for thing in (
            {**one("Pod", called, "v1", spec=spec), "metadata": {"name": called, "labels": {"app": called}}},
            one("Service", called, "v1", spec={"selector": {"app": called}, "ports": [{"port": port}]}),
        )
    ),
)


def release_of_the_cluster() -> Path:
    """What installs the operator; on the cluster of the tests its images are built and loaded first."""
    if given := os.environ.get("TEST_PROMETHEUS_OPERATOR"):
        return Path(given)
    subprocess.run([sys.executable, REPOSITORY / "tests/cluster/cluster.py", "prometheus-operator"], check=True)
    return operator.RELEASE


@pytest.fixture(scope="module")
def prometheus(cluster: Kubectl) -> Iterator[Kubectl]:
    """The namespace in which the operator runs a Prometheus and an Alertmanager, beside a receiver."""
    release = release_of_the_cluster()
    there = cluster.within(operator.NAMESPACE)
    cluster("create", "namespace", operator.NAMESPACE)
    try:
        # Its definitions are longer than what kubectl would write down of them.
        there("apply", "--server-side", f"--filename={release}")
        there("rollout", "status", "--timeout=300s", "deployment/prometheus-operator")
        there.apply(*OBJECTS)
        for pod in ("alertmanager-tests-0", "prometheus-tests-0", "receiver", "bucket"):
            eventually(f"{pod} exists", lambda pod=pod: there("get", "pod", pod, "--ignore-not-found"), 180)
            there("wait", "--for=condition=Ready", "--timeout=300s", f"pod/{pod}")
        there.execute("receiver", "/opt/mlflow/bin/python", "-c", MAKE_BUCKET)
        yield there
    finally:
        there("delete", "--ignore-not-found", "--wait=true", f"--filename={release}", check=False)
        cluster.remove_namespace(operator.NAMESPACE)


@pytest.fixture(scope="module")
def url(prometheus: Kubectl) -> str:
    """By the address of the pod."""
    return f"http://{prometheus.json('get', 'pod', 'prometheus-tests-0')['status']['podIP']}:9090"


@pytest.fixture(scope="module")
def told(make: Callable[..., Deployment], prometheus: Kubectl) -> Iterator[Deployment]:
    deployment = make(
        "t-operator",
        mlflow_monitoring_enabled=True,
        mlflow_monitoring_interval=5,
        mlflow_monitoring_prometheus_namespace=operator.NAMESPACE,
        mlflow_monitoring_operator_labels=LABELS,
        mlflow_monitoring_thresholds={"down_minutes": 0},
        mlflow_server_metrics_dir="/tmp/metrics",
        mlflow_tls_inside=True,
        mlflow_server_auth="basic",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_backup_enabled=True,
        mlflow_backup_destination="s3://backups/tracking",
        mlflow_backup_endpoint=f"http://bucket.{operator.NAMESPACE}:7070",
        mlflow_backup_secret="bucket",
        mlflow_namespace_existing=True,
    )
    try:
        deployment.kubectl("create", "namespace", deployment.namespace)
        deployment.kubectl.apply(one("Secret", "bucket", "v1", stringData=KEYS))
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def alerts(prometheus: Kubectl) -> list[tuple[str, str]]:
    """Name and state of each alert in the order in which the receiver was told."""
    lines = prometheus("logs", "receiver").splitlines()
    said = [json.loads(line.removeprefix("/ ")) for line in lines if line.startswith("/ ")]
    return [(alert["labels"]["alertname"], alert["status"]) for message in said for alert in message["alerts"]]


def wait_for(prometheus: Kubectl, alert: str, state: str, since: int) -> None:
    """Snapshots are looked at every five minutes."""
    eventually(
        f"the receiver is told that {alert} is {state}",
        lambda: (alert, state) in alerts(prometheus)[since:],
        300 + PATIENCE,
    )


def of_the_operator(told: Deployment) -> set[str]:
    return {name(item) for kind in ("podmonitors", "prometheusrules") for item in told.kubectl.items(f"{kind}.{GROUP}")}


def test_prometheus_scrapes_the_exporter_and_the_servers_over_tls_with_the_login(told: Deployment, url: str) -> None:
    scraped = {("mlflow-ops", "1"), ("mlflow", "1")}

    def seen() -> bool:
        found = ask(url, f'up{{namespace="{told.namespace}",deployment="mlflow"}}')
        return {(sample["metric"]["job"], sample["value"][1]) for sample in found} == scraped

    eventually("both are scraped", seen, PATIENCE)
    eventually("servers count requests", lambda: ask(url, 'mlflow_http_request_total{deployment="mlflow"}'), PATIENCE)


def test_prometheus_has_every_rule_with_the_threshold_of_the_inventory(told: Deployment, url: str) -> None:
    def rules() -> dict[str, dict[str, Any]]:
        groups = api(url, "/api/v1/rules")["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    expected = told.kubectl.json("get", f"prometheusrules.{GROUP}", "mlflow-monitoring")["spec"]["groups"]
    names = {rule.get("alert") or rule["record"] for group in expected for rule in group["rules"]}
    assert len(names) >= 20
    eventually("every rule is read", lambda: names <= set(rules()), PATIENCE)
    eventually("every rule was evaluated", lambda: {rules()[name]["health"] for name in names} == {"ok"}, PATIENCE)
    assert rules()["MlflowServerDown"]["duration"] == 0


def test_a_second_run_changes_nothing(told: Deployment) -> None:
    assert told.deploy().succeeded().stats["changed"] == 0


def test_the_operator_is_told_the_rules_of_the_inventory_and_whom_to_scrape(told: Deployment) -> None:
    told.deploy(mlflow_monitoring_rules=RULES).succeeded()
    assert told.kubectl.json("get", f"prometheusrules.{GROUP}", "mlflow-monitoring")["spec"] == RULES
    monitor = told.kubectl.json("get", f"podmonitors.{GROUP}", "mlflow-monitoring")
    [pod] = told.kubectl.pods("monitoring")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    told.deploy().succeeded()


@pytest.mark.parametrize(
    ("alert", "workload"),
    [
        ("MlflowServerDown", "deployment/mlflow"),
        ("MlflowDatabaseUnreachable", "statefulset/mlflow-database"),
        ("MlflowArtifactStoreFailing", "deployment/mlflow-artifacts"),
    ],
)
def test_what_is_away_reaches_the_receiver_and_so_does_its_return(
    told: Deployment, prometheus: Kubectl, alert: str, workload: str
) -> None:
    before = len(alerts(prometheus))
    told.kubectl("scale", workload, "--replicas=0")
    try:
        wait_for(prometheus, alert, "firing", before)
    finally:
        told.kubectl("scale", workload, "--replicas=1")
    wait_for(prometheus, alert, "resolved", before)


def test_a_backup_that_failed_reaches_the_receiver_and_so_does_the_next_that_succeeds(
    told: Deployment, prometheus: Kubectl
) -> None:
    told.play("backup").succeeded()
    before = len(alerts(prometheus))
    told.kubectl("scale", "statefulset/mlflow-database", "--replicas=0")
    try:
        assert told.play("backup").code
    finally:
        told.kubectl("scale", "statefulset/mlflow-database", "--replicas=1")
    wait_for(prometheus, "MlflowBackupFailed", "firing", before)
    told.play("backup").succeeded()
    wait_for(prometheus, "MlflowBackupFailed", "resolved", before)


def test_removal_takes_away_what_the_operator_was_told(told: Deployment, url: str) -> None:
    told.destroy().succeeded()
    assert of_the_operator(told) == set()
    assert told.kubectl.pods("monitoring") == []
    eventually("nothing is scraped any more", lambda: not ask(url, 'up{deployment="mlflow"}'), PATIENCE)
