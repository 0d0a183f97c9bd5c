"""A fleet on a real Knative, and what it needs: one PostgreSQL, and an administrator of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Self

from support import locust
from support.playbooks import PlayResult

from .knative import SERVICE, KnativeDeployment
from .kubectl import name

COUNT, PATTERN = 3, "tenant-#"
ADMINISTRATOR = "administrator"


class Fleet(KnativeDeployment):
    """Its databases are in the PostgreSQL of an ordinary deployment of the same namespace."""

    @property
    def of_instances(self) -> dict[str, Any]:
        """What an inventory would say of all instances."""
        return {
            "mlflow_namespace_existing": True,
            "mlflow_database_type": "external_postgresql",
            "mlflow_database_uri": "postgresql+psycopg2://{{ mlflow_name }}@mlflow-database:5432/{{ mlflow_name }}",
            "mlflow_database_owner": "{{ mlflow_name }}-owner",
            "mlflow_database_secret": "{{ mlflow_name }}-database",
            "mlflow_database_max_connections": 200,
            "mlflow_fleet_database_admin_uri": f"postgresql+psycopg2://{ADMINISTRATOR}@mlflow-database:5432/postgres",
            "mlflow_fleet_database_admin_secret": ADMINISTRATOR,
        }

    def play_on_instances(self, playbook: str, **more: object) -> PlayResult:
        return self.play(playbook, **{**self.of_instances, **more})

    def fleet(self, **more: object) -> PlayResult:
        declared = {"mlflow_fleet_count": COUNT, "mlflow_fleet_pattern": PATTERN}
        return self.play_on_instances("fleet", **{**declared, **more})

    def check(self) -> PlayResult:
        return self.play_on_instances("fleet_health", mlflow_fleet_count=COUNT, mlflow_fleet_pattern=PATTERN)

    def operate(self, operation: str, **more: object) -> PlayResult:
        declared = {"mlflow_fleet_count": COUNT, "mlflow_fleet_pattern": PATTERN, "mlflow_fleet_jobs": 2}
        return self.play_on_instances("fleet_operate", mlflow_fleet_operation=operation, **{**declared, **more})

    def load(self, folder: Path, **more: object) -> PlayResult:
        """From this machine, by the gateway: the names of the instances lead nowhere here."""
        settings: dict[str, object] = {
            "mlflow_load_test_allowed": True,
            "mlflow_load_test_dir": str(locust.installed()),
            "locust_report_dir": str(folder),
            "locust_gateway": f"{self.address}:80",
            "locust_users": 6,
            "locust_run_time": 60,
            "locust_request_timeout": 180,
            "locust_weights": {"artifact_32m": 0},
        }
        return self.play_on_instances("fleet_load_test", **{**settings, **more})

    def create_administrator(self) -> None:
        """As clouds give one to their customers."""
        password = secrets.token_hex(16)
        self.sql(f"CREATE ROLE {ADMINISTRATOR} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'")
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": ADMINISTRATOR, "namespace": self.namespace},
        }
        self.kubectl.apply({**secret, "stringData": {"password": password}})

    def databases(self) -> list[str]:
        return self.sql("SELECT datname FROM pg_database WHERE datname LIKE 'tenant-%' ORDER BY 1").split()

    def jobs(self) -> list[str]:
        return [name(one) for one in self.kubectl.items("jobs", "--selector=mlops.mlflow/fleet-operation")]

    def instances(self, fleet: str = "fleet") -> list[str]:
        return sorted(name(one) for one in self.kubectl.items(SERVICE, f"--selector=mlops.mlflow/fleet={fleet}"))

    def server_of(self, instance: str) -> dict[str, Any]:
        """Its pod, which is there only while it is awake."""
        listed = self.kubectl.items("pods", f"--selector=serving.knative.dev/service={instance}")
        return next(pod for pod in listed if pod["status"]["phase"] == "Running")

    def with_variables(self, **more: object) -> Self:
        """The same for playbooks that are told more."""
        found = copy(self)
        found.variables = {**self.variables, **more}
        return found

    @contextmanager
    def prepared(self) -> Iterator[Self]:
        """With the PostgreSQL and its administrator; gone afterwards."""
        # The database of a deployment is for it alone.
        metadata = {"name": "t-shared", "namespace": self.namespace}
        shared = {
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "database"}},
            "ingress": [{"from": [{"podSelector": {}}]}],
        }
        policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": shared}
        with self.deployed():
            self.kubectl.apply(policy)
            self.create_administrator()
            yield self


def volume_of_snapshots(instance: str) -> dict[str, object]:
    """As the playbook backup makes it for one."""
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": f"{instance}-backup"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": size}
