"""Users and passwords: one database of them for all servers, also below a path of its own."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.kubernetes.deployment import Deployment

pytestmark = pytest.mark.cluster

PREFIX = "/team"
NEW = "ada"
PASSWORD = "A-password-of-Ada's"


@pytest.fixture(scope="module")
def guarded(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-users", mlflow_server_auth="basic", mlflow_server_static_prefix=PREFIX, mlflow_server_max_replicas=2
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def ask(
    deployment: Deployment, pod: dict[str, Any], user: str, password: str, path: str, body: Any = None
) -> tuple[int, str]:
    """One request to one server, past the Service."""
    connection = http.client.HTTPConnection(pod["status"]["podIP"], 5000, timeout=30)
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Host": deployment.host, "Authorization": f"Basic {login}", "Content-Type": "application/json"}
    connection.request("POST" if body else "GET", PREFIX + path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_user_who_is_made_at_one_server_can_log_in_at_all(guarded: Deployment) -> None:
    administrator = ("admin", guarded.secrets()["mlflow-auth/admin-password"])
    first, *others = guarded.servers()
    made = {"username": NEW, "password": PASSWORD}
    status, said = ask(guarded, first, *administrator, "/api/2.0/mlflow/users/create", made)
    assert status == 200, said
    assert others, "there is more than one server"
    look = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    for pod in (first, *others):
        assert ask(guarded, pod, NEW, PASSWORD, look)[0] == 200
        assert ask(guarded, pod, NEW, "another password", look)[0] == 401
        assert ask(guarded, pod, "nobody", PASSWORD, look)[0] == 401


def test_health_logs_in_by_itself(guarded: Deployment) -> None:
    result = guarded.play("health", mlflow_health_level="full").succeeded()
    assert "healthy at level full" in result.of("Report the verdict")["msg"]
