"""What C(--check) announces is what the same run then changes, task by task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import PlayResult
from support.ports import free_port

CHANGES: list[dict[str, Any]] = [
    {"mlflow_server_access_log": True},
    {"mlflow_server_allowed_hosts": ["mlflow.example.com"]},
    {"mlflow_server_cors_origins": ["https://notebooks.example.com"]},
    {"mlflow_server_env": {"PROXY_ZONE": "b"}},
    {"mlflow_server_static_prefix": "/mlflow"},
    {"mlflow_server_url": "https://mlflow.example.com"},
    {"mlflow_server_host": "0.0.0.0", "mlflow_server_allowed_hosts": ["127.0.0.1"]},
    {"mlflow_server_port": "FREE"},
    {"mlflow_server_profile": "throughput"},
    {"mlflow_server_profile": "throughput", "mlflow_server_workers": 3},
    {"mlflow_server_profile": "throughput", "mlflow_server_threads": 4},
    {"mlflow_server_profile": "throughput", "mlflow_server_metrics_dir": "METRICS"},
    {"mlflow_server_auth": "basic"},
    {"mlflow_server_auth": "basic", "mlflow_server_auth_default_permission": "NO_PERMISSIONS"},
    {"mlflow_server_auth": "basic", "mlflow_server_auth_cache_seconds": 0},
    {"mlflow_server_direct_artifacts": True},
    {"mlflow_server_pool_size": 7},
    {"mlflow_server_max_overflow": 9},
    {"mlflow_server_tls_certificate": "CERTIFICATE", "mlflow_server_tls_key": "KEY"},
    {"mlflow_server_smoke_test": False},
    {"mlflow_server_health_timeout": 90},
    {},
]


@pytest.fixture(scope="module")
def deployment(environments: Environments) -> Iterator[Deployment]:
    deployment = Deployment(environments, "light")
    try:
        # Before the first deployment as well, where most is not there yet.
        announces_what_it_does(deployment)
        yield deployment
    finally:
        deployment.remove()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: ", ".join(change) or "nothing")
def test_what_check_mode_announces_is_what_happens(
    deployment: Deployment, change: dict[str, Any], tmp_path: Path
) -> None:
    certificate, key = Authority(tmp_path).issue("localhost", "IP:127.0.0.1")
    places = {"FREE": free_port(), "METRICS": str(tmp_path / "m"), "CERTIFICATE": str(certificate), "KEY": str(key)}
    announces_what_it_does(deployment, **{name: places.get(str(value), value) for name, value in change.items()})


def test_so_it_is_where_mlflow_is_yet_to_be_installed(environments: Environments) -> None:
    deployment = Deployment(environments, "light")
    try:
        (deployment.home / "tools").unlink()
        deployment.install_itself()
        index = environments.variables("slim")["mlflow_server_install_environment"]
        announces_what_it_does(
            deployment,
            mlflow_server_install_environment=index,
            _mlflow_server_environment=str(deployment.home / "environment"),
        )
    finally:
        deployment.remove()


def announces_what_it_does(deployment: Deployment, **change: Any) -> None:
    before = sorted(str(path) for path in deployment.data.rglob("*") if path.name != "server.log")
    announced = changed(deployment.deploy("--check", "--diff", **change).succeeded())
    assert before == sorted(str(path) for path in deployment.data.rglob("*") if path.name != "server.log")
    assert changed(deployment.deploy(**change).succeeded()) == announced


def changed(result: PlayResult) -> list[str]:
    return [name for name, said in result.results if said.get("changed")]
