"""Every example of the documentation that a host is enough for runs as it is written.

Names of the documentation are replaced by what has their role here: a folder of the host, a server, a bucket.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import examples, locust, s3
from support.certificates import Authority
from support.databases import Databases
from support.environments import Environments
from support.host.deployment import Deployment
from support.postgresql import PostgreSQL
from support.servers import RunningServer

LOAD_TEST = "mlops.mlflow.mlflow_load_test"
STOP = {
    "ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_server", "tasks_from": "service"},
    "vars": {"mlflow_server_service_state": "stopped"},
}


@pytest.fixture(scope="module")
def deployment(environments: Environments) -> Iterator[Deployment]:
    deployment = Deployment(environments, "light")
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(scope="module")
def places(
    deployment: Deployment,
    environments: Environments,
    databases: Databases,
    postgresql: PostgreSQL,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("examples")
    authority = Authority(folder)
    certificate, key = authority.issue("localhost", "IP:127.0.0.1")
    tracking, users = databases.copy("mlflow"), databases.copy_of_users("mlflow_auth")
    assert (tracking, users) == ("mlflow", "mlflow_auth")
    postgresql.let_owner_create_databases()
    published = RunningServer(
        environments.slim,
        "light",
        databases.connection(tracking),
        tls_certificate=str(certificate),
        tls_key=str(key),
        static_prefix="/mlflow",
    )
    published.url = published.url.replace("http://", "https://")
    loads = locust.installed()
    with s3.running() as bucket, running(published, ca_path=str(authority.file)):
        yield {
            "/opt/mlflow/bin/python": str(deployment.interpreter),
            "/var/lib/mlflow": str(deployment.data),
            "http://127.0.0.1:5000": deployment.url,
            "port: 5000": f"port: {deployment.port}",
            "/srv/backup/mlflow": str(folder / "snapshots"),
            "/srv/artifacts": str(folder / "artifacts"),
            "user: mlflow": "user: ''",
            "https://mlflow.example.com/mlflow": published.url,
            "https://mlflow.example.com": published.url,
            "https://team-a.example.com": deployment.url,
            "https://team-b.example.com": deployment.url,
            # How long and how hard is the reader's own.
            "users: 100": "users: 4",
            "run_time: 600": "run_time: 10",
            "/etc/ssl/company-ca.pem": str(authority.file),
            "db.example.com:5432": f"127.0.0.1:{postgresql.port}",
            "/etc/mlflow/database-password": str(databases.server_password_file),
            "/etc/mlflow/owner-password": str(databases.owner_password_file),
            "/etc/mlflow/admin-password": str(databases.admin_password_file),
            "https://s3.example.com": bucket.endpoint,
            "s3://models/": "s3://artifacts/",
            **{
                f"/etc/mlflow/{whose}access-key": str(bucket.access_key_file) for whose in ("", "backup-", "artifacts-")
            },
            **{
                f"/etc/mlflow/{whose}secret-key": str(bucket.secret_key_file) for whose in ("", "backup-", "artifacts-")
            },
            "/opt/locust/bin/locust": str(locust.program(loads)),
            "/opt/locust/mlflow_scenario.py": str(locust.SCENARIO),
            "/tmp/load-test": str(folder / "load-test"),
            "20261121T020000.123Z-8ea95121a0240df3": "'{{ first_snapshot }}'",
        }


@contextmanager
def running(server: RunningServer, **reached: Any) -> Iterator[None]:
    try:
        server.start(**reached)
        yield
    finally:
        server.remove()


def test_every_example_runs_as_it_is_written(
    deployment: Deployment, places: dict[str, str], postgresql: PostgreSQL, tmp_path: Path
) -> None:
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_backup", "tasks_from": "prepare"}}
    ]
    found = examples.at("host", places)
    for name, example in found.items():
        if name == "Bring one back":
            tasks.append(STOP)
        # A busy machine may miss an objective: what counts is that there is a verdict.
        verdict = {"failed_when": "example.passed is not defined"} if LOAD_TEST in example else {}
        tasks.append({"register": "example"} | example | verdict)
        if name == "Back up a SQLite database and a folder of artifacts":
            tasks.append({"ansible.builtin.set_fact": {"first_snapshot": "{{ example.snapshot.id }}"}})
    # Programs of the server's version, as the documentation asks for.
    played = examples.play(deployment, tasks, tmp_path, PATH=f"{postgresql.tools}:{os.environ['PATH']}")
    examples.results(played, list(found))
    assert len(found) >= 30
    print(f"\n{len(found)} examples ran")
