"""A clone in a folder whose name has spaces and letters of other alphabets, used without LANG and with umask 077."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.clones import copy_to
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import ANSIBLE_PLAYBOOK

PLACES = ["Müller's clone 東京", "plain"]


@pytest.fixture(params=PLACES)
def clone(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / request.param
    folder.mkdir()
    copy_to(folder)
    return folder


def test_a_deployment_is_made_operated_and_removed(environments: Environments, clone: Path) -> None:
    deployment = Deployment(environments, "light")
    kept = ("HOME", "TMPDIR", "PIP_INDEX_URL")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    # All that is left of the environment of somebody whose shell was started by a job scheduler.
    env["PATH"] = f"{Path(ANSIBLE_PLAYBOOK[0]).parent}:/usr/bin:/bin"

    def played(playbook: str, **variables: object) -> str:
        given = json.dumps({**deployment.variables, **variables})
        command = ["ansible-playbook", "-i", "inventories/local", f"playbooks/{playbook}.yml", "-e", given]
        script = 'umask 077; exec "$@"'
        done = subprocess.run(["sh", "-c", script, "-", *command], cwd=clone, env=env, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said[-3000:]
        return said

    try:
        assert "was started and proven with the real client" in played("local")
        assert "changed=0 " in played("local")
        assert "healthy at level" in played("health")
        played("destroy", mlflow_destroy=True, mlflow_remove_data=True)
        assert not any(deployment.data.glob("database/*"))
    finally:
        deployment.remove()
