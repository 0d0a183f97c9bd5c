"""What a run advises is typed as it is printed, in the clone, and reaches the deployment that it is about."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import REPOSITORY


@pytest.fixture
def second(environments: Environments) -> Iterator[Deployment]:
    """Another deployment on the host of the first, out of the same inventory."""
    deployment = Deployment(environments, "light", mlflow_name="second", mlflow_server_smoke_test=False)
    yield deployment
    deployment.remove()


def typed(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=REPOSITORY, text=True, capture_output=True, check=False)


def advised(said: str, what: str) -> str:
    (command,) = re.findall(rf"^{what} +(.*ansible-playbook .*)$", said, flags=re.MULTILINE)
    return str(command)


def test_a_removal_that_was_advised_removes_that_deployment(
    laptop: Deployment, second: Deployment, tmp_path: Path
) -> None:
    said = second.screen(tmp_path)
    assert len(said.splitlines()) <= 60, "a deployment says what changed and what is next, and no more"

    checked = typed(advised(said, "Check it"))
    assert checked.returncode == 0, checked.stdout
    assert f":{second.port}" in checked.stdout

    # Somebody who leaves out what allows it is told the same command.
    command = advised(said, "with its data")
    refused = typed(command.replace(" -e mlflow_destroy=true", ""))
    assert refused.returncode != 0
    for what, expected in (("kept", command.replace(" -e mlflow_remove_data=true", "")), ("removed", command)):
        assert re.findall(rf"^with its data {what}: (.*)$", refused.stdout, flags=re.MULTILINE) == [expected]

    removed = typed(command)
    assert removed.returncode == 0, removed.stdout
    assert not (second.data / "database").exists()
    laptop.wait_until_healthy()
