"""The exporter as the roles render it: who may connect to it, who it is, and how Prometheus is told."""

from __future__ import annotations

import json

import pytest
import yaml
from support.playbooks import REPOSITORY
from support.rendered.manifests import COMPONENT, Deployment, Object


@pytest.fixture
def monitored(deployments: dict[str, Deployment]) -> Deployment:
    return deployments["monitored"]


def settings(deployment: Deployment) -> Object:
    found: Object = json.loads(deployment.one("ConfigMap", "mlflow-monitoring")["data"]["monitoring.json"])
    return found


def test_only_the_namespace_of_prometheus_may_connect(deployments: dict[str, Deployment]) -> None:
    for name, namespace in (("monitored", "monitoring"), ("monitored-without-operator", "mlflow")):
        policy = deployments[name].one("NetworkPolicy", "mlflow-monitoring")["spec"]
        [rule] = policy["ingress"]
        [source] = rule["from"]
        assert source == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        assert rule["ports"] == [{"port": "metrics", "protocol": "TCP"}]
        [pod] = deployments[name].matched(policy["podSelector"]["matchLabels"])
        assert pod.port_names == {"metrics"}
        assert not [
            one for one in deployments[name].of("Service") if one["spec"]["selector"].get(COMPONENT) == "monitoring"
        ]


def test_it_is_to_a_cloud_who_the_servers_are(monitored: Deployment) -> None:
    pod = monitored.pod("monitoring")
    assert pod.spec["serviceAccountName"] == monitored.pod("server").spec["serviceAccountName"]
    assert pod.labels["azure.workload.identity/use"] == "true"
    assert pod.spec["automountServiceAccountToken"] is False


def test_it_trusts_the_deployment_s_authority_and_a_company_s(monitored: Deployment) -> None:
    pod = monitored.pod("monitoring")
    [trusted] = [one["projected"]["sources"] for one in pod.spec["volumes"] if one["name"] == "trusted"]
    files = {item["path"] for source in trusted for item in source["secret"]["items"]}
    assert {"database.crt", "server.crt"} <= files
    assert settings(monitored)["server"]["ca_path"] == "/run/mlflow-ca/server.crt"
    assert "sslrootcert=/run/mlflow-ca/database.crt" in settings(monitored)["database"]["uri"]
    assert {"name": "SSL_CERT_FILE", "value": "/etc/ssl/corporate.pem"} in pod.containers[0]["env"]


def test_another_setting_makes_another_pod(monitored: Deployment, deployments: dict[str, Deployment]) -> None:
    def mark(one: Deployment) -> str:
        annotations = one.pod("monitoring").owner["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["mlops.mlflow/configuration"])

    assert mark(monitored) != mark(deployments["monitored-without-operator"])


def test_the_operator_finds_just_the_exporter(monitored: Deployment) -> None:
    monitor = monitored.one("PodMonitor", "mlflow-monitoring")
    [pod] = monitored.matched(monitor["spec"]["selector"]["matchLabels"])
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in pod.port_names
    assert endpoint["relabelings"] == [{"targetLabel": "deployment", "replacement": "mlflow"}]
    rule = monitored.one("PrometheusRule", "mlflow-monitoring")
    assert rule["spec"]["groups"][0]["rules"][0]["alert"] == "MlflowServerDown"
    for one in (monitor, rule):
        assert one["metadata"]["labels"]["release"] == "prometheus"
    assert not [name for name in pod.owner["spec"]["template"]["metadata"]["annotations"] if "prometheus.io" in name]


def test_without_the_operator_the_pod_says_where_it_is_and_rules_are_a_config_map(
    deployments: dict[str, Deployment],
) -> None:
    found = deployments["monitored-without-operator"]
    annotations = found.pod("monitoring").owner["spec"]["template"]["metadata"]["annotations"]
    assert (annotations["prometheus.io/scrape"], annotations["prometheus.io/port"]) == ("true", "9500")
    assert "groups" in yaml.safe_load(found.one("ConfigMap", "mlflow-monitoring-rules")["data"]["mlflow.yml"])
    assert found.of("PodMonitor") == found.of("PrometheusRule") == []


def test_volumes_of_one_node_are_neither_mounted_nor_claimed_to_be_seen(deployments: dict[str, Deployment]) -> None:
    found = deployments["monitored-without-operator"]
    told = settings(found)
    assert (told["artifacts"], told["snapshots"], told["disks"]) == ({}, {}, {})
    volumes = found.pod("monitoring").spec["volumes"]
    assert not [one for one in volumes if "persistentVolumeClaim" in one]


def test_a_deployer_of_the_guide_has_the_rights_on_the_operator_s_kinds() -> None:
    [role] = [
        item
        for item in yaml.safe_load((REPOSITORY / "docs/kubernetes_deployer.yaml").read_text())["items"]
        if item["kind"] == "Role"
    ]
    [rule] = [one for one in role["rules"] if one["apiGroups"] == ["monitoring.coreos.com"]]
    asked = yaml.safe_load((REPOSITORY / "roles/mlflow_monitoring/vars/main/kubernetes.yml").read_text())
    for permission in asked["_mlflow_monitoring_permissions_of_operator"]:
        verb, resource = permission.split()
        assert verb in rule["verbs"] and resource.partition(".")[0] in rule["resources"]


def test_without_the_option_nothing_of_it_is_rendered(deployments: dict[str, Deployment]) -> None:
    for name, one in deployments.items():
        if not name.startswith("monitored"):
            assert "mlflow-monitoring" not in "".join(one.texts.values()), name
