"""The compose files that the targets render, one host of one Ansible run each."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

TARGETS = ("compose_local", "compose_single_az", "compose_multi_az", "compose_multi_az_nfs")
NFS = {"mlflow_artifact_store_nfs_server": "nfs.example.com", "mlflow_artifact_store_nfs_path": "/exports/mlflow"}
ROUTING = {
    "route": {
        "receiver": "mail",
        "group_by": ["alertname", "deployment"],
        "routes": [{"matchers": ['severity="critical"'], "receiver": "chat"}],
    },
    "receivers": [
        {"name": "mail", "email_configs": [{"to": "a@example.com", "from": "b@example.com", "smarthost": "m:25"}]},
        {"name": "chat", "slack_configs": [{"api_url_file": "/run/secrets/chat", "channel": "#mlflow"}]},
    ],
}
# One group is enough: summaries with braces that are none of Ansible's.
RULES = "{{ {'groups': [({} | mlops.mlflow.prometheus_rules({'deployment': mlflow_name})).groups[1]]} }}"
CASES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "compose_local": ("compose_local", {}),
    "compose_single_az": ("compose_single_az", {}),
    "compose_multi_az": ("compose_multi_az", {}),
    "compose_multi_az_nfs": ("compose_multi_az_nfs", NFS),
    "everything": (
        "compose_multi_az",
        {
            "mlflow_name": "tracking",
            "mlflow_server_auth": "basic",
            "mlflow_server_profile": "full",
            "mlflow_server_replicas": "3",
            "mlflow_server_port": "8080",
            "mlflow_server_host": "",
            "mlflow_server_static_prefix": "/tracking",
            "mlflow_server_tls_certificate": "/etc/ssl/mlflow.pem",
            "mlflow_server_tls_key": "/etc/ssl/mlflow.key",
            "mlflow_server_allowed_hosts": ["mlflow.example.com"],
            "mlflow_database_max_connections": 700,
            "mlflow_image": "registry.example.com/mlflow:1",
            "mlflow_database_image": "registry.example.com/postgres:1",
            "mlflow_artifact_store_image": "registry.example.com/versitygw:1",
            "mlflow_server_load_balancer_image": "registry.example.com/haproxy:1",
            "mlflow_labels": {"team": "a", "cost-center": 4711},
            "mlflow_server_env": {"PRICE": "5 $ for $USER"},
        },
    ),
    "monitored": (
        "compose_multi_az",
        {
            "mlflow_monitoring_enabled": "true",
            "mlflow_server_auth": "basic",
            "mlflow_backup_enabled": "true",
            "mlflow_monitoring_env": {"AWS_CA_BUNDLE": "/etc/ssl/corporate.pem"},
            "mlflow_server_metrics_dir": "/tmp/metrics",
            "mlflow_monitoring_prometheus_enabled": "true",
            "mlflow_monitoring_prometheus_port": "9190",
            "mlflow_monitoring_prometheus_days": "90",
            "mlflow_monitoring_rules": RULES,
            "mlflow_monitoring_alertmanager_config": ROUTING,
            "mlflow_monitoring_alertmanager_secrets": {"chat": "/etc/mlflow/chat-url"},
        },
    ),
    "seaweedfs": ("compose_single_az", {"mlflow_artifact_store_type": "seaweedfs"}),
    "external": (
        "compose_single_az",
        {
            "mlflow_database_type": "external_postgresql",
            "mlflow_database_uri": "postgresql+psycopg2://mlflow@db.example.com:5432/mlflow",
            "mlflow_database_owner": "mlflow_owner",
            "mlflow_artifact_store_type": "external_s3",
            "mlflow_artifact_store_uri": "s3://bucket/prefix",
            "mlflow_artifact_store_endpoint": "https://s3.example.com",
        },
    ),
}


@dataclass(frozen=True)
class Rendered:
    """What one case rendered. C(files): text by path, C(services): by name, of all projects."""

    name: str
    settings: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, str] = field(repr=False)

    @property
    def projects(self) -> dict[str, dict[str, Any]]:
        return {
            path.partition("/")[0]: yaml.safe_load(text)
            for path, text in self.files.items()
            if path.endswith("/compose.yaml")
        }

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return {name: service for project in self.projects.values() for name, service in project["services"].items()}

    @property
    def servers(self) -> dict[str, dict[str, Any]]:
        return {name: service for name, service in self.services.items() if name.startswith("server-")}

    @property
    def launch(self) -> dict[str, Any]:
        return dict(json.loads(self.files["server/configuration/launch.json"]))

    @property
    def haproxy(self) -> str:
        return self.files["server/load-balancer/haproxy.cfg"]


def render(folder: Path) -> None:
    """Render every case, all in one run of Ansible; the shipped variables of its target are the host's."""
    inventory = folder / "hosts.json"
    hosts = {name: _variables(name) | {"mlflow_render_dir": str(folder / "files" / name)} for name in CASES}
    inventory.write_text(json.dumps({"mlflow": {"hosts": hosts}}))
    run = run_playbook(REPOSITORY / "playbooks/compose_local.yml", inventory, program=WITHOUT_FORKS)
    assert run.code == 0, f"rendering failed: {run.message or run.output[-3000:]}"


def read(folder: Path) -> dict[str, Rendered]:
    """What C(render) wrote there."""
    return {
        name: Rendered(
            name,
            _variables(name),
            {
                str(file.relative_to(folder / "files" / name)): file.read_text()
                for file in sorted((folder / "files" / name).rglob("*"))
                if file.is_file()
            },
        )
        for name in CASES
    }


def _variables(name: str) -> dict[str, Any]:
    target, changes = CASES[name]
    shipped = yaml.safe_load((REPOSITORY / "inventories" / target / "group_vars/mlflow.yml").read_text())
    return {**shipped, "ansible_connection": "local", "ansible_python_interpreter": sys.executable, **changes}
