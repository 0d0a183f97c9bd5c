"""TLS inside a deployment, in the manifests: clients verify whom they connect to, and keys are where they serve."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.rendered.manifests import Deployment, Pod, leaves

TRUSTED = "/run/mlflow-ca"


@pytest.fixture
def deployed(deployments: dict[str, Deployment]) -> Deployment:
    return deployments["tls-inside"]


def files_of(pod: Pod, container: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The keys of Secrets that a container has as files."""
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    return {
        f"{mount['mountPath']}/{item['path']}": (source["secret"]["name"], item["key"])
        for mount in container["volumeMounts"]
        for source in volumes[mount["name"]].get("projected", {}).get("sources", [])
        for item in source["secret"]["items"]
    }


def test_every_uri_of_the_database_verifies_the_server(deployed: Deployment) -> None:
    texts = [text for item in deployed.objects for _path, text in leaves(item) if isinstance(text, str)]
    uris = re.findall(r"postgresql[+a-z0-9]*://[^\s\"']+", "\n".join(texts))
    assert len(uris) > 8, "of the server, its users, the setup, the backup, the probe"
    for uri in uris:
        assert f"sslmode=verify-full&sslrootcert={TRUSTED}/database.crt" in uri, uri


def test_every_pod_that_connects_has_whom_it_trusts(deployed: Deployment) -> None:
    clients = [pod for pod in deployed.pods if pod.component not in ("database", "artifact-store")]
    others = ("Job/mlflow-setup", "CronJob/mlflow-schema", "CronJob/mlflow-trial", "CronJob/mlflow-backup")
    # In a file a Job has a name that changes with it.
    assert {re.sub("-[0-9a-f]{8}$", "", pod.name) for pod in clients} == {"Deployment/mlflow", *others}
    for pod in clients:
        for container in pod.containers:
            for file in ("database.crt", "artifacts.crt", *(["server.crt"] if pod.component != "backup" else [])):
                assert files_of(pod, container)[f"{TRUSTED}/{file}"] == ("mlflow-ca", "ca.crt"), pod.name


def test_only_a_server_has_its_key_and_no_pod_that_of_the_authority(deployed: Deployment) -> None:
    mounted = {
        (volume["secret"]["secretName"], pod.name)
        for pod in deployed.pods
        for volume in pod.spec["volumes"]
        if "secret" in volume and volume["secret"]["secretName"].endswith("-tls")
    }
    assert mounted == {
        ("mlflow-database-tls", "StatefulSet/mlflow-database"),
        ("mlflow-artifacts-tls", "Deployment/mlflow-artifacts"),
        ("mlflow-server-tls", "Deployment/mlflow"),
        ("mlflow-server-tls", "CronJob/mlflow-trial"),
    }, "on trial a server serves as well"
    assert "mlflow-authority" not in "".join(deployed.texts.values())


def test_the_database_refuses_what_is_not_encrypted(deployed: Deployment) -> None:
    files = deployed.one("ConfigMap", "mlflow-database")["data"]
    assert "ssl = 'on'" in files["postgresql.conf"]
    rules = [line.split() for line in files["pg_hba.conf"].splitlines() if line and not line.startswith("#")]
    assert {rule[3] for rule in rules if rule[0] == "host"} == {"127.0.0.1/32", "::1/128"}, "the probes in its own pod"
    assert [rule for rule in rules if rule[0] not in ("local", "host")] == [
        ["hostssl", "all", "all", "all", "scram-sha-256"]
    ]


@pytest.mark.parametrize("name", ["tls-inside", "seaweedfs-split"])
def test_the_store_is_reached_by_tls_and_verified(name: str, deployments: dict[str, Deployment]) -> None:
    one = deployments[name]
    assert one.launch["env"]["MLFLOW_S3_ENDPOINT_URL"] == "https://mlflow-artifacts.mlflow:7070"
    environments = [one.launch["env"]]
    for pod in one.pods:
        for container in pod.containers:
            if pod.component == "backup" or container["name"] == "bucket":
                environments.append({entry["name"]: entry.get("value") for entry in container["env"]})
    assert len(environments) == (3 if name == "tls-inside" else 2), "of servers, the setup, the backup"
    assert {env["AWS_CA_BUNDLE"] for env in environments} == {f"{TRUSTED}/artifacts.crt"}
    assert "http://mlflow-artifacts" not in "".join(one.texts.values())


@pytest.mark.parametrize("name", ["tls-inside", "seaweedfs-split"])
def test_the_store_serves_tls_and_is_probed_by_it(name: str, deployments: dict[str, Deployment]) -> None:
    (container,) = deployments[name].pod("artifact-store").spec["containers"]
    probes = [
        container[kind]["httpGet"] for kind in ("readinessProbe", "livenessProbe") if "httpGet" in container[kind]
    ]
    assert probes and {probe["scheme"] for probe in probes} == {"HTTPS"}
    assert {"name": "tls", "mountPath": "/run/tls", "readOnly": True} in container["volumeMounts"]
    start = " ".join(container.get("args") or []) + str(deployments[name].of("ConfigMap"))
    assert "/run/tls/tls.crt" in start and "/run/tls/tls.key" in start


SERVED = ("tls-inside", "cloudnative-pg")


@pytest.mark.parametrize("name", SERVED)
def test_servers_serve_tls_with_a_certificate_of_their_own(name: str, deployments: dict[str, Deployment]) -> None:
    one = deployments[name]
    argv = " ".join(one.launch["argv"])
    assert "/run/tls/tls.crt" in argv and "/run/tls/tls.key" in argv
    assert {"name": "tls", "mountPath": "/run/tls", "readOnly": True} in one.server["volumeMounts"]
    assert one.server["ports"] == [{"name": "https", "containerPort": 5000}]
    [port] = one.one("Service", "mlflow")["spec"]["ports"]
    assert (port["name"], port["targetPort"]) == ("https", "https")
    [rule] = one.one("NetworkPolicy", "mlflow")["spec"]["ingress"]
    assert rule["ports"] == [{"port": "https", "protocol": "TCP"}], "by a name that no port has nobody may connect"


def test_probes_talk_tls_to_servers_that_serve_it(deployed: Deployment, deployments: dict[str, Deployment]) -> None:
    assert deployed.server["livenessProbe"]["httpGet"] == {"path": "/health", "port": "https", "scheme": "HTTPS"}
    assert deployments["cloudnative-pg"].server["livenessProbe"]["tcpSocket"] == {"port": "https"}
    for name in SERVED:
        server = deployments[name].server
        assert server["startupProbe"]["tcpSocket"] == {"port": "https"}
        assert {"name": "READY_TLS", "value": "yes"} in server["env"]
    assert "READY_TLS" not in str(deployments["defaults"].server)


def test_an_ingress_is_told_to_talk_tls_to_servers_and_to_verify_them(deployed: Deployment) -> None:
    ingress = deployed.one("Ingress")
    [path] = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"]["port"] == {"name": "https"}
    prefix = "nginx.ingress.kubernetes.io"
    assert ingress["metadata"]["annotations"] == {
        f"{prefix}/backend-protocol": "HTTPS",
        f"{prefix}/proxy-ssl-secret": "mlflow/mlflow-ca",
        f"{prefix}/proxy-ssl-verify": "on",
        f"{prefix}/proxy-ssl-name": "mlflow.mlflow.svc",
        f"{prefix}/proxy-ssl-server-name": "on",
        f"{prefix}/proxy-ssl-verify-depth": "2",
    }


def test_a_gateway_verifies_the_servers_by_a_policy(deployments: dict[str, Deployment]) -> None:
    one = deployments["cloudnative-pg"]
    policy = one.one("BackendTLSPolicy")
    [target] = policy["spec"]["targetRefs"]
    [backend] = one.one("HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert (target["kind"], target["name"]) == ("Service", backend["name"])
    assert policy["spec"]["validation"] == {
        "hostname": "mlflow.mlflow.svc",
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "mlflow-ca"}],
    }
    assert not [item for item in one.of("ConfigMap") if item["metadata"]["name"] == "mlflow-ca"], "it is not known here"


def test_without_it_nothing_of_it_is_rendered(deployments: dict[str, Deployment]) -> None:
    for name, one in deployments.items():
        if name not in ("tls-inside", "seaweedfs-split", "cloudnative-pg", "monitored"):
            assert not re.search(
                r"mlflow-ca|sslrootcert|CA_BUNDLE|(database|artifacts|server)-tls|pg_hba.conf:|BackendTLSPolicy|HTTPS",
                "".join(one.texts.values()),
            ), name
