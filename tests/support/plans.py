"""Plans of servers, from the settings that the role has by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.plan import plan

from support.intents import FOLDER, SQLITE

SHARED: Mapping[str, Any] = {
    "inventory_hostname": "laptop",
    "name": "mlflow",
    "version": "3.17.2",
    "pinned_version": "3.17.2",
    "host": "127.0.0.1",
    "port": 5000,
    "auth": "none",
    "auth_admin": "admin",
    "auth_password_file": "/srv/mlflow/secrets/admin-password",
    "auth_password_length": 0,
    "dir": "/srv/mlflow/server",
    "secrets_dir": "/srv/mlflow/secrets",
}
CONTAINERS: Mapping[str, Any] = {
    **SHARED,
    "profile": "throughput",
    "image": "localhost/mlflow:3.17.2",
    "run_as": "10001",
    "replicas": 2,
    "resources": {"limits": {"cpu": "1000m", "memory": "2Gi"}},
    "reserved_connections": 10,
}
POSTGRESQL: Mapping[str, Any] = {
    "type": "postgresql",
    "uri": "postgresql+psycopg://mlflow@mlflow-database:5432/mlflow",
    "auth_uri": "postgresql+psycopg://mlflow@mlflow-database:5432/mlflow_auth",
    "host": "mlflow-database",
    "port": 5432,
    "secrets": {"PGPASSWORD": {"file": "/srv/mlflow/secrets/database-password"}},
    "containers": ["mlflow-database"],
    "images": ["postgres:1"],
    "projects": ["mlflow-database"],
    "volumes": ["mlflow-database"],
}
IN_CLUSTER: Mapping[str, Any] = {
    **{name: POSTGRESQL[name] for name in ("type", "uri", "auth_uri", "host", "port")},
    "secrets": {"PGPASSWORD": {"secret": "mlflow-database", "key": "password"}},
}
# Settings, database and artifact store of each platform.
PLATFORMS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]] = {
    "host": ({**SHARED, "profile": "light", "supervision": "auto"}, SQLITE, FOLDER),
    "compose": (
        {
            **CONTAINERS,
            "staged_dir": "/srv/mlflow/server-requested",
            "zones": {},
            "drain_seconds": 2,
            "load_balancer_image": "haproxy:1",
            "load_balancer_run_as": "99",
            "load_balancer_resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
        },
        POSTGRESQL,
        {"type": "volume", "uri": "/mnt/artifacts", "claim": "mlflow-artifacts"},
    ),
    "kubernetes": (
        {**CONTAINERS, "namespace": "team-a", "max_replicas": 3, "scratch_size": "4Gi", "expose": "none"},
        IN_CLUSTER,
        {"type": "volume", "uri": "/mnt/artifacts", "claim": "mlflow-artifacts", "access_mode": "ReadWriteMany"},
    ),
}


def planned(platform: str, change: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """A plan with some settings changed. Options: C(database), C(store), C(observed) and C(staged)."""
    settings, database, store = PLATFORMS[platform]
    given = {"database": database, "store": store, **options}
    return plan(platform, {**settings, **(change or {})}, **given)
