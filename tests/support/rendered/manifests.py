"""The deployments that the roles render, one host of one Ansible run each, and how to look at their objects."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

Object = dict[str, Any]
COMPONENT = "app.kubernetes.io/component"
SUMMARIES = "summaries.json"

# Secrets that a deployment finds or generates: none is rendered. (Secret, key)
OF_DATABASE = {("mlflow-database", "password"), ("mlflow-database", "owner-password")}
OF_STORE = {("mlflow-artifacts", "access-key"), ("mlflow-artifacts", "secret-key")}
OF_SEAWEEDFS = OF_STORE | {
    ("mlflow-artifacts", f"{identity}-{key}-key") for identity in ("admin", "reader") for key in ("access", "secret")
}
OF_AUTHORITY = {("mlflow-ca", "ca.crt")}
OF_TLS_OF_DATABASE, OF_TLS_OF_STORE, OF_TLS_OF_SERVERS = (
    {(f"mlflow-{component}-tls", f"tls.{part}") for part in ("crt", "key")}
    for component in ("database", "artifacts", "server")
)
OF_AUTH = {("mlflow-auth", "admin-password"), ("mlflow-auth", "flask-secret-key")}

_AS_THE_CLUSTER_CHOOSES = dict.fromkeys(
    ("mlflow_server_run_as", "mlflow_database_run_as", "mlflow_artifact_store_run_as"), ""
)


_CRATEDB = {
    "mlflow_version": "3.12.0",
    "mlflow_server_profile": "light",
    "mlflow_server_replicas": 1,
    "mlflow_server_max_replicas": 1,
    "mlflow_database_type": "cratedb",
    "mlflow_database_resources": {
        "requests": {"cpu": "500m", "memory": "2Gi"},
        "limits": {"cpu": "2", "memory": "2Gi"},
    },
    "mlflow_artifact_store_type": "seaweedfs",
}


@dataclass(frozen=True)
class Case:
    """A deployment: what an inventory says of it, and the keys of Secrets that it may name."""

    variables: Mapping[str, Any]
    secrets: frozenset[tuple[str, str]]


def _case(variables: Mapping[str, Any], *secrets: set[tuple[str, str]]) -> Case:
    auth = f"{variables.get('mlflow_name', 'mlflow')}-auth"
    return Case(variables, frozenset().union({(auth, "gateway-passphrase"), (auth, "webhook-key")}, *secrets))


CASES = {
    "defaults": _case({}, OF_DATABASE, OF_STORE),
    "everything": _case(
        {
            "mlflow_namespace": "team-a",
            "mlflow_backup_enabled": True,
            "mlflow_server_auth": "basic",
            "mlflow_server_profile": "full",
            "mlflow_server_replicas": 3,
            "mlflow_server_max_replicas": 6,
            "mlflow_server_port": 8080,
            "mlflow_database_max_connections": 700,
            "mlflow_server_expose": "ingress",
            "mlflow_server_hostname": "mlflow.example.com",
            "mlflow_server_ingress_class": "nginx",
            "mlflow_server_tls_secret": "mlflow-tls",
            "mlflow_server_expose_annotations": {
                "cert-manager.io/cluster-issuer": "letsencrypt",
                "nginx.ingress.kubernetes.io/proxy-body-size": 0,
            },
            "mlflow_server_direct_artifacts": True,
            "mlflow_artifact_store_open": True,
            "mlflow_server_static_prefix": "/tracking",
            "mlflow_server_metrics_dir": "/tmp/metrics",
            "mlflow_server_allowed_namespaces": ["ingress-nginx", "notebooks"],
            "mlflow_server_allowed_hosts": ["mlflow.internal.example"],
            "mlflow_server_service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/mlflow"},
            "mlflow_server_env": {"TZ": "UTC"},
            "mlflow_server_secret_env": {"OPENAI_API_KEY": {"secret": "openai", "key": "api-key"}},
            "mlflow_pod_spec": {
                "imagePullSecrets": [{"name": "registry"}],
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "mlops", "operator": "Exists"}],
            },
            "mlflow_labels": {"team": "a", "cost-center": 4711},
            "mlflow_annotations": {"owner": "ml@example.com"},
            "mlflow_storage_class": "fast",
        },
        OF_DATABASE,
        OF_STORE,
        OF_AUTH,
        {("openai", "api-key")},
    ),
    "shared-volume": _case(
        {
            "mlflow_backup_enabled": True,
            "mlflow_artifact_store_type": "volume",
            "mlflow_artifact_store_access_mode": "ReadWriteMany",
            "mlflow_server_memory_target": 80,
            "mlflow_server_expose": "loadbalancer",
            "mlflow_server_hostname": "mlflow.example.com",
            "mlflow_server_expose_annotations": {"service.beta.kubernetes.io/aws-load-balancer-internal": True},
        },
        OF_DATABASE,
    ),
    "one-server": _case(
        {
            "mlflow_backup_enabled": True,
            "mlflow_artifact_store_type": "volume",
            "mlflow_server_replicas": 1,
            "mlflow_server_max_replicas": 1,
            "mlflow_server_profile": "light",
        },
        OF_DATABASE,
    ),
    "external": _case(
        {
            "mlflow_name": "tracking",
            "mlflow_backup_enabled": True,
            "mlflow_backup_destination": "s3://backups/tracking",
            "mlflow_backup_endpoint": "https://s3.example.com",
            "mlflow_backup_secret": "managed-backups",
            "mlflow_backup_service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backup"},
            "mlflow_database_type": "external_postgresql",
            "mlflow_database_uri": "postgresql+psycopg2://mlflow@db.example.com:5432/mlflow",
            "mlflow_database_owner": "mlflow_owner",
            "mlflow_database_secret": "managed-database",
            "mlflow_artifact_store_type": "external_s3",
            "mlflow_artifact_store_uri": "s3://bucket/prefix",
            "mlflow_artifact_store_endpoint": "https://s3.example.com",
            "mlflow_artifact_store_secret": "managed-bucket",
            "mlflow_server_replicas": 1,
            "mlflow_server_max_replicas": 3,
        },
        {("managed-database", "password"), ("managed-database", "owner-password")},
        {("managed-bucket", "access-key"), ("managed-bucket", "secret-key")},
        {("managed-backups", "access-key"), ("managed-backups", "secret-key")},
    ),
    "cloudnative-pg": _case(
        {
            "mlflow_database_type": "cloudnative_pg",
            "mlflow_server_auth": "basic",
            "mlflow_server_replicas": 2,
            "mlflow_server_max_replicas": 2,
            "mlflow_server_expose": "httproute",
            "mlflow_server_hostname": "mlflow.example.com",
            "mlflow_server_gateway": {"name": "gateway", "namespace": "gateways"},
            "mlflow_server_tls_inside": True,
        },
        {("mlflow-database", "password"), ("mlflow-database-owner", "password")},
        OF_STORE,
        OF_AUTH,
        OF_AUTHORITY,
        OF_TLS_OF_SERVERS,
    ),
    "tls-inside": _case(
        {
            "mlflow_tls_inside": "true",
            "mlflow_server_auth": "basic",
            "mlflow_server_profile": "light",
            "mlflow_server_replicas": 1,
            "mlflow_server_max_replicas": 2,
            "mlflow_server_expose": "ingress",
            "mlflow_server_ingress_controller": "ingress-nginx",
            "mlflow_server_hostname": "mlflow.example.com",
            "mlflow_server_expose_annotations": {"nginx.ingress.kubernetes.io/proxy-ssl-verify-depth": 2},
            "mlflow_backup_enabled": True,
        },
        OF_DATABASE,
        OF_STORE,
        OF_AUTH,
        OF_AUTHORITY,
        OF_TLS_OF_DATABASE,
        OF_TLS_OF_STORE,
        OF_TLS_OF_SERVERS,
    ),
    "seaweedfs": _case({"mlflow_artifact_store_type": "seaweedfs"}, OF_DATABASE, OF_SEAWEEDFS),
    "seaweedfs-split": _case(
        {
            "mlflow_artifact_store_tls": True,
            "mlflow_artifact_store_type": "seaweedfs",
            "mlflow_artifact_store_volume_servers": "2",
            "mlflow_artifact_store_copies": "2",
        },
        OF_DATABASE,
        OF_SEAWEEDFS,
        OF_AUTHORITY,
        OF_TLS_OF_STORE,
    ),
    "cratedb-seaweedfs": _case({**_CRATEDB, "mlflow_backup_enabled": True}, OF_DATABASE, OF_SEAWEEDFS),
    "cratedb-three-nodes": _case(
        {
            **_CRATEDB,
            "mlflow_database_nodes": "3",
            "mlflow_database_heap": "768m",
            "mlflow_database_repository_uri": "s3://snapshots/cratedb",
            "mlflow_database_repository_endpoint": "http://store.example.com:8333",
            "mlflow_database_repository_secret": "store-keys",
            "mlflow_backup_enabled": True,
        },
        OF_DATABASE,
        OF_SEAWEEDFS,
        {("store-keys", "access-key"), ("store-keys", "secret-key")},
    ),
    "monitored": _case(
        {
            "mlflow_monitoring_enabled": "true",
            "mlflow_monitoring_prometheus_namespace": "monitoring",
            "mlflow_monitoring_operator": "true",
            "mlflow_monitoring_operator_labels": {"release": "prometheus"},
            "mlflow_monitoring_labels": {"azure.workload.identity/use": "true"},
            "mlflow_monitoring_env": {"SSL_CERT_FILE": "/etc/ssl/corporate.pem"},
            "mlflow_monitoring_thresholds": {"latency_seconds": "5"},
            "mlflow_server_metrics_dir": "/tmp/metrics",
            "mlflow_tls_inside": "true",
            "mlflow_server_auth": "basic",
            "mlflow_server_replicas": 1,
            "mlflow_server_max_replicas": 1,
            "mlflow_artifact_store_type": "volume",
            "mlflow_artifact_store_access_mode": "ReadWriteMany",
            "mlflow_backup_enabled": True,
            "mlflow_backup_destination": "s3://backups/tracking",
            "mlflow_backup_endpoint": "https://s3.example.com",
            "mlflow_backup_secret": "managed-backups",
        },
        OF_DATABASE,
        OF_AUTH,
        OF_AUTHORITY,
        OF_TLS_OF_DATABASE,
        OF_TLS_OF_SERVERS,
        {("managed-backups", "access-key"), ("managed-backups", "secret-key")},
    ),
    "monitored-without-operator": _case(
        {
            "mlflow_monitoring_enabled": True,
            "mlflow_monitoring_rules": {"groups": [{"name": "mlflow", "rules": []}]},
            "mlflow_backup_enabled": True,
            "mlflow_artifact_store_type": "volume",
            "mlflow_server_replicas": 1,
            "mlflow_server_max_replicas": 1,
        },
        OF_DATABASE,
    ),
    "openshift": _case(
        {
            "mlflow_server_expose": "route",
            "mlflow_server_hostname": "mlflow.apps.example.com",
            "mlflow_server_tls_secret": "mlflow-tls",
            **_AS_THE_CLUSTER_CHOOSES,
        },
        OF_DATABASE,
        OF_STORE,
    ),
}


def template_of(owner: Object) -> Object:
    """What the pods of a workload are made from."""
    made: Object = (owner["spec"]["jobTemplate"] if owner["kind"] == "CronJob" else owner)["spec"]["template"]
    return made


@dataclass(frozen=True)
class Pod:
    """The pods of one workload: their labels, their spec, and how many there are at least."""

    owner: Object
    labels: Mapping[str, str]
    spec: Object

    @property
    def name(self) -> str:
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def component(self) -> str:
        return self.labels[COMPONENT]

    @property
    def long_running(self) -> bool:
        return self.owner["kind"] in ("Deployment", "StatefulSet")

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def port_names(self) -> set[str]:
        return {port["name"] for container in self.spec["containers"] for port in container.get("ports", [])}


@dataclass(frozen=True)
class Deployment:
    """What one case rendered."""

    name: str
    case: Case = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    summary: str = field(repr=False)

    @cached_property
    def objects(self) -> list[Object]:
        return [item for text in self.texts.values() for item in yaml.safe_load_all(text) if item is not None]

    def of(self, kind: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Object:
        found = [item for item in self.of(kind) if name in (None, item["metadata"]["name"])]
        assert len(found) == 1, f"{len(found)} objects {kind} {name or ''}"
        return found[0]

    @cached_property
    def pods(self) -> list[Pod]:
        owners = [item for item in self.objects if item["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob")]
        return [Pod(item, template_of(item)["metadata"]["labels"], template_of(item)["spec"]) for item in owners]

    def matched(self, selector: Mapping[str, str]) -> list[Pod]:
        """The pods that a selector finds; an empty one finds all, as in Kubernetes."""
        return [pod for pod in self.pods if selector.items() <= pod.labels.items()]

    def pod(self, component: str) -> Pod:
        return next(pod for pod in self.pods if pod.component == component)

    @property
    def server(self) -> Object:
        """The server's container."""
        container: Object = self.pod("server").spec["containers"][0]
        return container

    @property
    def launch(self) -> Object:
        name = self.pod("server").owner["metadata"]["name"]
        launch: Object = json.loads(self.one("ConfigMap", name)["data"]["launch.json"])
        return launch

    def most_replicas(self, workload: Object) -> int:
        for scaler in self.of("HorizontalPodAutoscaler"):
            if scaler["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"]:
                return int(scaler["spec"]["maxReplicas"])
        return int(workload["spec"]["replicas"])


def render(folder: Path) -> None:
    """Render every case, all in one run of Ansible beside the shipped inventory."""
    hosts = {
        name: {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "mlflow_render_dir": str(folder / name),
            **case.variables,
        }
        for name, case in CASES.items()
    }
    shipped = REPOSITORY / "inventories/kubernetes/group_vars"
    inventory = folder / "inventory"
    inventory.mkdir()
    (inventory / "hosts.json").write_text(json.dumps({"mlflow": {"hosts": hosts}}))
    (inventory / "group_vars").symlink_to(shipped)
    run = run_playbook(REPOSITORY / "playbooks/kubernetes.yml", inventory, program=WITHOUT_FORKS)
    assert run.code == 0, f"rendering failed: {run.message or run.output[-3000:]}"
    told = [result for name, result in run.results if "Report where MLflow is" in name]
    summaries = [str(result.get("msg", "")) for result in told]
    (folder / SUMMARIES).write_text(json.dumps(summaries))


def read(folder: Path) -> dict[str, Deployment]:
    """What C(render) wrote there."""
    summaries = json.loads((folder / SUMMARIES).read_text())
    return {
        name: Deployment(
            name,
            case,
            {
                file.name: file.read_text()
                for file in sorted((folder / name).glob("*.yaml"))
                if file.name != "kustomization.yaml"
            },
            next(text for text in summaries if f"{folder / name}." in text),
        )
        for name, case in CASES.items()
    }


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything inside that is no dict and no list, with the way to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value
