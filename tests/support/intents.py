"""Intents of the tests of launch."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch

SQLITE = {"type": "sqlite", "uri": "sqlite:////srv/mlflow/mlflow.db"}
POSTGRESQL = {
    "type": "external_postgresql",
    "uri": "postgresql+psycopg://mlflow@db.example.com:5432/mlflow",
    "host": "db.example.com",
    "port": 5432,
    "secrets": {"PGPASSWORD": {"file": "/etc/mlflow/password"}},
}
CRATEDB = {
    "type": "cratedb",
    "uri": "crate://mlflow@db.example.com:4200/?schema=mlflow",
    "secrets": {"PGPASSWORD": {"secret": "mlflow-database", "key": "password"}},
}
FOLDER = {"type": "local", "uri": "/srv/mlflow/artifacts"}
BUCKET = {
    "type": "external_s3",
    "uri": "s3://bucket/prefix",
    "env": {"AWS_DEFAULT_REGION": "eu-west-1"},
    "secrets": {"AWS_SECRET_ACCESS_KEY": {"secret": "s3", "key": "secret-key"}},
}
AUTH = {"config": "/srv/auth.ini", "secret_key": {"file": "/srv/flask-secret-key"}}


def computed(**settings: Any) -> launch.Launch:
    return launch.compute({"database": SQLITE, "artifact_store": FOLDER, **settings})


def option(started: launch.Launch, name: str) -> str | None:
    """The value of a command line option; None where it is not given."""
    return started.argv[started.argv.index(name) + 1] if name in started.argv else None


def pool(started: launch.Launch) -> tuple[int, int]:
    """Connections of the pool: kept, and opened beyond."""
    return (
        int(started.env["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"]),
        int(started.env["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"]),
    )
