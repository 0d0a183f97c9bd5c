"""One server: a secret that was changed reaches whoever gives it and whoever checks it, also after a run that ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.compose.deployment import Deployment
from support.deployment import tasks_of
from support.kubernetes.kubectl import eventually
from support.kubernetes.snapshots import WEIGHTS, ask

pytestmark = pytest.mark.compose
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/kept/weights.bin"


@pytest.fixture(scope="module")
def alone(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make("compose_single_az", "t-changed", mlflow_server_port=5012)
    try:
        deployment.deploy().succeeded()
        assert ask(deployment, "PUT", ARTIFACT, WEIGHTS)[0] == 200
        yield deployment
    finally:
        deployment.remove()


def replaced(deployment: Deployment, before: dict[str, str]) -> set[str]:
    return {name for name, since in deployment.started().items() if since != before[name]}


def serves_what_it_held(deployment: Deployment) -> None:
    assert ask(deployment, "GET", ARTIFACT) == (200, WEIGHTS)
    before = deployment.started()
    assert deployment.deploy().succeeded().stats["changed"] == 0
    assert deployment.started() == before


@pytest.mark.parametrize(
    ("secret", "value", "reads"),
    [
        ("database-password", "it's \\ another % päss:word/@", {"t-changed-database", "t-changed-server-1"}),
        ("database-owner-password", "an owner's \\' one", {"t-changed-database"}),
        ("s3-secret-key", "another-key-of-the-gateway-1234567890", {"t-changed-artifacts", "t-changed-server-1"}),
    ],
)
def test_a_changed_secret_holds_on_both_sides_after_one_deployment(
    alone: Deployment, secret: str, value: str, reads: set[str]
) -> None:
    (alone.folder / "secrets" / secret).write_text(value)
    before = alone.started()
    announced = alone.deploy("--check").succeeded()
    assert announced.stats["changed"] > 0 and alone.started() == before
    alone.deploy().succeeded()
    assert replaced(alone, before) == reads
    serves_what_it_held(alone)


def test_a_run_that_ended_before_the_containers_knew_is_made_good_by_the_next(
    alone: Deployment, tmp_path: Path
) -> None:
    (alone.folder / "secrets" / "database-password").write_text("one-that-was-interrupted")
    before, output = alone.started(), tmp_path / "output"
    begun = alone.begin("compose_single_az", output=output)
    try:
        copies = alone.folder / "compose" / "database" / "secrets" / "password"
        eventually("the copy is written", lambda: copies.read_text() == "one-that-was-interrupted", 60)
    finally:
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()
    print(f"\nended at: {tasks_of(output)[-1]}")
    alone.deploy().succeeded()
    assert replaced(alone, before) == {"t-changed-database", "t-changed-server-1"}
    serves_what_it_held(alone)
