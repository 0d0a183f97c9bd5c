"""Examples of the documentation that need a Docker Engine run as they are written, those that destroy something at the
end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import examples
from support.compose.deployment import Deployment
from support.compose.engine import docker
from support.testbed import registry

pytestmark = pytest.mark.compose

OWN, RUN = "t-examples", "mlops-load-4f0a9d1c22"
VOLUME, IMAGE = f"{OWN}-own", "127.0.0.1:5017/postgres:17.6-trixie"
# What each changes. What a deployment begins with comes before it.
FIRST = {
    "Pull what is missing": True,
    "Make the volume of the database": True,
    "Make two networks": True,
}
CHANGES = {
    "Prove the bucket of a deployment in containers, whose keys it has": False,
    "Try it in a container, as the compose file says": False,
    # Nobody has analyzed its tables yet.
    "Say what could be done about the database of a deployment of any platform": True,
    "Inspect a deployment": False,
    "Wait for the first server": False,
    "Let it take over a changed configuration": True,
    "Follow the containers that the role has started": True,
    "Kill a server": True,
    "Start what is not running, and replace what changed": True,
    "Remove the containers, and keep the data": True,
    "Cut a container off": True,
}
# What the role does before it calls the module.
LOCUST = [
    {"ansible.builtin.include_role": {"name": "mlops.mlflow.locust", "tasks_from": tasks}}
    for tasks in ("plan", "compose/start")
]
BEFORE = {
    "Follow the containers that the role has started": LOCUST,
    "Start what is not running, and replace what changed": [
        {"ansible.builtin.command": {"argv": ["docker", "stop", f"{OWN}-server-2"]}}
    ],
}


@pytest.fixture(scope="module")
def deployment(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Nothing is deployed yet."""
    made = make(
        "compose_multi_az",
        OWN,
        mlflow_server_port=5016,
        mlflow_zones={"a": "10.89.1.0/24", "b": ""},
        mlflow_load_test_allowed=True,
        __locust_run=RUN,
        locust_users=4,
        locust_run_time=10,
        locust_workers=1,
        locust_weights={"artifact_32m": 0},
    )
    try:
        yield made
    finally:
        made.remove()
        docker("rmi", IMAGE, check=False)


@pytest.fixture(scope="module")
def tasks(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    places = {
        "docker.io/library/postgres:17.6-trixie": IMAGE,
        "deployment: mlflow": f"deployment: {OWN}",
        "name: mlflow-database": f"name: {VOLUME}",
        "name: mlflow": f"name: {OWN}",
        "/var/lib/mlflow": str(deployment.folder),
        "/tmp/load-test": str(tmp_path_factory.mktemp("load-test")),
        "users: 50": "users: 4",
        **{f"mlflow-{part}": f"{OWN}-{part}" for part in ("a:", "b:", "server-1", "load-balancer", "load-master")},
    }
    return examples.at("compose", places)


def test_every_example_of_an_engine_is_run_here(tasks: dict[str, dict[str, Any]]) -> None:
    assert set(tasks) == set(FIRST) | set(CHANGES)


def test_the_examples_of_what_comes_first_make_what_a_deployment_is_made_in(
    deployment: Deployment, tasks: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    with registry.running(5017):
        docker("tag", "mlops-test.local/postgresql:test", IMAGE)
        docker("push", IMAGE)
        docker("rmi", IMAGE)
        examples.run(deployment, tasks, FIRST, tmp_path, connections=False)
    assert docker("volume", "inspect", VOLUME, "--format={{.Name}}").strip() == VOLUME
    deployment.deploy().succeeded()


def test_every_other_example_does_what_it_says(
    deployment: Deployment, tasks: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    found = examples.run(deployment, tasks, CHANGES, tmp_path, before=BEFORE)
    assert found["Follow the containers that the role has started"]["total"]["requests"] > 0
    [started] = [
        one["container"]
        for one in found["Start what is not running, and replace what changed"]["actions"]
        if one["container"] == f"{OWN}-server-2"
    ]
    assert started and deployment.database() not in deployment.containers()
    assert f"{OWN}-database" in docker("volume", "ls", "--format={{.Name}}").split()
    seen = docker("inspect", f"{OWN}-server-1", "--format={{json .NetworkSettings.Networks}}")
    assert f"{OWN}-a" not in seen
