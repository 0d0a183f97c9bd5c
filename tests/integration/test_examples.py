"""Every example of the documentation that needs no engine of containers runs as it is written.

Names of the documentation are replaced by what has their role here: a folder of the host, a server, a bucket.
"""

from __future__ import annotations

import json
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
from support.playbooks import REPOSITORY, PlayResult, run_playbook
from support.postgresql import PostgreSQL
from support.servers import RunningServer

# In this order, because the later ones work on what the former left.
RUN_HERE = [
    "mlflow_info",
    "mlflow_health",
    "mlflow_host_info",
    "mlflow_host_user_info",
    "mlflow_host_folders",
    "mlflow_compose_files",
    "mlflow_schema",
    "mlflow_schema_info",
    "mlflow_smoke_test",
    "mlflow_bucket",
    "mlflow_backup",
    "mlflow_backup_info",
    "mlflow_gc",
    "mlflow_load_test",
    "mlflow_trial",
    "mlflow_reservation",
    "mlflow_restore",
]
# These have containers, pods or an AWS to work on: tests/compose, tests/cluster and tests/aws use each of them.
RUN_ELSEWHERE = (
    "aws_",
    "eks_",
    "mlflow_compose_",
    "mlflow_kubernetes_",
    "mlflow_workload",
    "mlflow_fleet",
    "mlflow_experiments",
    "mlflow_benchmark_report",
)
NOT_RUN = {
    "Load a fleet of scale-to-zero servers with the five classic tasks": "ten minutes",
    "Prove the bucket of a deployment in containers, whose keys it has": "containers",
    "Try it in a container, as the compose file says": "containers",
    "Inspect them on Kubernetes with the image of another version, which is what an upgrade to it would find": "pods",
}
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
            "https://team-b.example.com": published.url,
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


def test_each_module_is_run_here_or_where_its_platform_is() -> None:
    elsewhere = {name for name in examples.modules() if name.startswith(RUN_ELSEWHERE)}
    assert examples.modules() - elsewhere | {"mlflow_compose_files"} == set(RUN_HERE)


def test_every_example_runs_as_it_is_written(
    deployment: Deployment, places: dict[str, str], postgresql: PostgreSQL, tmp_path: Path
) -> None:
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_tasks": str(REPOSITORY / "playbooks" / "tasks" / "connections.yml")},
        {"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_backup", "tasks_from": "prepare"}},
    ]
    names = []
    for module in RUN_HERE:
        for example in examples.of(module, places):
            if example["name"] in NOT_RUN:
                continue
            names.append(example["name"])
            if example["name"] == "Bring one back":
                tasks.append(STOP)
            # A busy machine may miss an objective: what counts is that there is a verdict.
            verdict = {"failed_when": "example.passed is not defined"} if module == "mlflow_load_test" else {}
            tasks.append({"register": "example"} | example | verdict)
            if example["name"] == "Back up a SQLite database and a folder of artifacts":
                tasks.append({"ansible.builtin.set_fact": {"first_snapshot": "{{ example.snapshot.id }}"}})
    # Programs of the server's version, as the documentation asks for.
    played = play(deployment, tasks, tmp_path, PATH=f"{postgresql.tools}:{os.environ['PATH']}")
    assert [failure.get("msg") for failure in played.failures] == []
    # What was included before has a task of the same name.
    assert [name for name, _result in played.results if name in names][-len(names) :] == names
    assert len(names) >= 30
    print(f"\n{len(names)} examples ran, {len(NOT_RUN)} do not run here")


def play(deployment: Deployment, tasks: list[dict[str, Any]], folder: Path, **environment: str) -> PlayResult:
    playbook = folder / "examples.yml"
    examples = {
        "name": "Examples",
        "hosts": "mlflow",
        "gather_facts": False,
        "environment": environment,
        "tasks": tasks,
    }
    playbook.write_text(json.dumps([examples]))
    return run_playbook(playbook, deployment.inventory, deployment.variables, timeout=1200)
