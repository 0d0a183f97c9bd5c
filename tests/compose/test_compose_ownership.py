"""What belongs to a deployment is told by labels: not by names, nor by files, nor by the environment of who deploys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything, inspect

pytestmark = pytest.mark.compose

IMAGE = "mlops-test.local/load-balancer:test"
NAME = "t-own"


def foreign(name: str, project: str, service: str, *flags: str) -> None:
    """A container of somebody else's compose project."""
    labels = {"project": project, "service": service, "oneoff": "False", "container-number": "1", "config-hash": "x"}
    marks = [f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    docker("run", "--detach", f"--name={name}", *marks, *flags, "--entrypoint=sleep", IMAGE, "infinity")


@pytest.fixture
def others() -> Iterator[Callable[..., None]]:
    made: list[str] = []

    def make(name: str, *arguments: str) -> None:
        made.append(name)
        foreign(name, *arguments)

    try:
        yield make
    finally:
        docker("rm", "--force", *made, check=False)


def runs(name: str) -> bool:
    return bool(inspect(name)["State"]["Running"])


def test_nothing_that_others_made_is_taken_and_all_that_we_made_is_found(
    make: Callable[..., Deployment],
    others: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    deployment = make("compose_local", NAME, mlflow_server_port=5009, mlflow_server_smoke_test=False)
    others("foo-web-1", "foo", "web")
    before = everything(NAME)
    elsewhere = tmp_path / "compose.yaml"
    elsewhere.write_text("services: {elsewhere: {image: nowhere}}\n")
    environment = {
        "COMPOSE_PROJECT_NAME": "foo", "COMPOSE_PROFILES": "ops", "COMPOSE_FILE": str(elsewhere),
        "COMPOSE_REMOVE_ORPHANS": "1", "DOCKER_CONTEXT": "nowhere",
    }  # fmt: skip
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        # Not for docker() of the tests.
        deployment.deploy().succeeded()
        assert deployment.deploy().succeeded().stats["changed"] == 0
        deployment.play("health", mlflow_health_level="full").succeeded()
    assert runs("foo-web-1")
    assert deployment.containers() == [f"{NAME}-database", f"{NAME}-server-1"]
    assert {inspect(one)["Config"]["Labels"]["com.docker.compose.project"] for one in deployment.containers()} == {
        f"{NAME}-database", f"{NAME}-server",
    }  # fmt: skip

    others("stranger", f"{NAME}-server", "stranger", f"--network={NAME}")
    for options in ([], ["--check"]):
        refused = deployment.deploy(*options, mlflow_server_access_log=True)
        assert refused.code and refused.stats["changed"] == 0
        assert f"stranger (compose project {NAME}-server)" in refused.message
    refused = deployment.play("restart")
    assert refused.code and f"stranger (compose project {NAME}-server)" in refused.message
    assert runs("stranger")

    looked = deployment.play("destroy", "--check", mlflow_remove_data=True).succeeded()
    assert looked.of("Report what was removed, and what was kept")["msg"] == "Nothing was changed."
    # The typo of somebody who destroys.
    done = deployment.destroy(mlflow_remove_data=True, mlflow_data_dir=str(tmp_path / "other")).succeeded()
    said = done.of("Report what was removed, and what was kept")["msg"]
    assert f"the networks {NAME}, which containers of others use" in said
    assert str(deployment.folder / "server") in said, said
    assert "All data was removed" not in said
    assert runs("stranger") and NAME in inspect("stranger")["NetworkSettings"]["Networks"]
    assert not deployment.containers()

    docker("rm", "--force", "stranger")
    left = (
        deployment.destroy(mlflow_remove_data=True).succeeded().of("Report what was removed, and what was kept")["msg"]
    )
    assert left == "All data was removed."
    assert everything(NAME) == before
