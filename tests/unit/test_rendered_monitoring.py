"""The exporter as the roles render it: who may connect to it, who it is, and how Prometheus is told."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import kinds
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring import readings
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.settings import Settings
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
    labels = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
    assert labels == {"deployment": "mlflow", "job": "mlflow-ops"}
    rule = monitored.one("PrometheusRule", "mlflow-monitoring")
    namespace = rule["metadata"]["namespace"]
    assert rule["spec"] == rules_file({"latency_seconds": 5}, {"deployment": "mlflow", "namespace": namespace})
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


def test_the_operators_prometheus_logs_in_where_servers_ask_for_it(monitored: Deployment) -> None:
    [endpoint] = monitored.one("PodMonitor", "mlflow-monitoring-servers")["spec"]["podMetricsEndpoints"]
    login = endpoint["basicAuth"]
    user = monitored.one("Secret", login["username"]["name"])
    assert base64.b64decode(user["data"][login["username"]["key"]]) == b"admin" and set(user["data"]) == {"username"}
    places = [
        one["valueFrom"]["secretKeyRef"]
        for one in monitored.pod("monitoring").containers[0]["env"]
        if one["name"] == "MLFLOW_TRACKING_PASSWORD"
    ]
    assert places == [login["password"]], "where the password lies that opens the servers"
    assert endpoint["scheme"] == "https"


def test_without_the_option_nothing_of_it_is_rendered(deployments: dict[str, Deployment]) -> None:
    for name, one in deployments.items():
        if not name.startswith("monitored"):
            assert "mlflow-monitoring" not in "".join(one.texts.values()), name


def test_the_exporter_of_a_fleet_may_list_what_its_health_is_read_from_and_nothing_else(
    fleet_monitoring: Deployment,
) -> None:
    [rule, other] = fleet_monitoring.one("Role")["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["serving.knative.dev"], ["services"])
    assert (other["apiGroups"], other["resources"]) == ([""], ["configmaps", "persistentvolumeclaims", "pods"])
    assert rule["verbs"] == other["verbs"] == ["list"]
    binding, pod = fleet_monitoring.one("RoleBinding"), fleet_monitoring.pod("monitoring")
    account = fleet_monitoring.one("ServiceAccount")["metadata"]
    assert binding["roleRef"]["name"] == fleet_monitoring.one("Role")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": "teams"}]
    assert pod.spec["serviceAccountName"] == account["name"] != "tenants", "it is nobody to a cloud"
    assert pod.spec["automountServiceAccountToken"] is True
    assert pod.spec["securityContext"]["runAsNonRoot"] is True
    assert pod.containers[0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert "secretKeyRef" not in json.dumps(pod.spec)


def test_the_exporter_of_a_fleet_reaches_the_api_server_and_is_reached_by_prometheus(
    fleet_monitoring: Deployment,
) -> None:
    policy = fleet_monitoring.one("NetworkPolicy")["spec"]
    [source] = policy["ingress"][0]["from"]
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    _names, _neighbours, outside = policy["egress"]
    assert [one["port"] for one in outside["ports"]] == [443, 6443]
    assert "10.9.9.9/32" not in json.dumps(policy), "where servers may connect to is no business of it"
    [pod] = fleet_monitoring.matched(policy["podSelector"]["matchLabels"])
    assert pod.component == "monitoring"
    [monitor] = fleet_monitoring.of("PodMonitor")
    assert fleet_monitoring.matched(monitor["spec"]["selector"]["matchLabels"]) == [pod]


def test_the_rules_of_a_fleet_are_those_that_have_series_of_it(fleet_monitoring: Deployment) -> None:
    scope = {"deployment": "tenants", "namespace": "teams"}
    rules = fleet_monitoring.one("PrometheusRule")["spec"]
    assert rules == rules_file({"unhealthy_instances": 3}, scope, wanted=("fleet", "monitoring", "kubernetes"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {"MlflowFleetInstancesFailing", "MlflowExporterDown"} <= names and "MlflowServerDown" not in names


def test_what_is_rendered_for_a_fleet_is_what_the_exporter_reads(fleet_monitoring: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "monitoring.json"
    file.write_text(fleet_monitoring.one("ConfigMap")["data"]["monitoring.json"])
    read = Settings.read(str(file))
    [part] = readings.parts(read)
    assert (part.name, part.seconds, read.name, read.fleet["namespace"]) == ("fleet", 60, "tenants", "teams")
    assert read.fleet["instances"] == ["vision"] and (read.fleet["count"], read.fleet["pattern"]) == (
        200,
        "tenant-####",
    )


def test_whoever_deploys_the_exporter_of_a_fleet_is_asked_for_the_rights_that_he_gives_it(
    fleet_monitoring: Deployment,
) -> None:
    asked = yaml.safe_load((REPOSITORY / "roles/mlflow_monitoring/vars/main/kubernetes.yml").read_text())
    permissions = asked["_mlflow_monitoring_permissions_of_fleet"]
    given = {
        f"{verb} {resource}" + (f".{group}" if group else "")
        for rule in fleet_monitoring.one("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given < set(permissions)
    assert {one for one in permissions if one.startswith("patch ")} == {
        "patch serviceaccounts", "patch roles.rbac.authorization.k8s.io", "patch rolebindings.rbac.authorization.k8s.io"
    }  # fmt: skip


def test_what_a_removal_names_of_a_fleet_is_what_was_rendered_of_these_kinds(fleet_monitoring: Deployment) -> None:
    asked = yaml.safe_load((REPOSITORY / "roles/mlflow_monitoring/vars/main/kubernetes.yml").read_text())
    named = {(one["apiVersion"], one["kind"]) for one in asked["_mlflow_monitoring_objects_of_fleet"]}
    known = {(api_version, kind) for api_version, kind, _plural in kinds.KINDS}
    rendered = {(one["apiVersion"], one["kind"]) for one in fleet_monitoring.objects}
    assert {one for one in rendered - known if "monitoring.coreos.com" not in one[0]} == named
