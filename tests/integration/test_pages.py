"""What pages tell people to type does what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from support.databases import ADMIN, ADMIN_PASSWORD
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import REPOSITORY
from support.servers import API, create_run


def blocks(page: str, language: str, places: Mapping[str, str]) -> list[str]:
    """Its blocks of a language. C(places): what is elsewhere here than on the page."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", (REPOSITORY / "docs" / page).read_text(), re.M | re.S)
    assert found, f"{page} has nothing to type"
    for said, here in places.items():
        assert any(said in block for block in found), f"{page} does not say {said}"
        found = [block.replace(said, here) for block in found]
    return found


def typed(block: str, **environment: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "PATH": path, **environment}
    done = subprocess.run(["sh", "-ec", block], cwd=REPOSITORY, env=told, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}{done.stderr[-2000:]}"


def programmed(block: str, interpreter: Path, **environment: str) -> None:
    done = subprocess.run(
        [str(interpreter), "-c", block], env={**os.environ, **environment}, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def settings_of(deployment: Deployment, folder: Path) -> str:
    """What an inventory of one's own would say."""
    file = folder / "settings.json"
    file.write_text(json.dumps(deployment.variables))
    return f"-i inventories/local -e @{file}"


def test_the_commands_of_the_night_work_on_a_deployment(laptop: Deployment, tmp_path: Path) -> None:
    create_run(laptop.client())
    for block in blocks("runbook.md", "sh", {"-i inventories/local": settings_of(laptop, tmp_path)}):
        if "inventories/kubernetes" not in block:  # those of a fleet: the cluster's tests run them
            typed(block)
    laptop.wait_until_healthy()


def test_users_are_made_changed_and_deleted(team: Deployment) -> None:
    admin = {
        "MLFLOW_TRACKING_URI": team.url,
        "MLFLOW_TRACKING_USERNAME": ADMIN,
        "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD,
        "PASSWORD_OF_ADA": "a password of ada",
        "NEW_PASSWORD_OF_ADA": "another password of ada",
    }
    make, change = blocks("users.md", "python", {})
    programmed(make, team.interpreter, **admin)
    ada = team.client(username="ada", password="a password of ada")
    assert ada.post(f"{API}/experiments/search", {"max_results": 1}).status == 200
    programmed(change, team.interpreter, **admin)


@pytest.fixture
def moved(environments: Environments) -> Iterator[Deployment]:
    deployment = Deployment(environments, "light", mlflow_server_smoke_test=False)
    shutil.rmtree(deployment.data / "database", ignore_errors=True)
    yield deployment
    deployment.remove()


def test_a_server_that_somebody_else_ran_is_moved_here(laptop: Deployment, moved: Deployment, tmp_path: Path) -> None:
    client, old = laptop.client(), tmp_path / "old"
    run = create_run(client)
    uri = client.get(f"{API}/runs/get", {"run_id": run}).json()["run"]["info"]["artifact_uri"]
    path = uri.removeprefix("mlflow-artifacts:/")
    client.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}/model.bin", b"moved")
    old.mkdir()
    shutil.copytree(laptop.data / "artifacts", old / "mlartifacts")
    with closing(sqlite3.connect(laptop.data / "database" / "mlflow.db")) as source:
        source.execute("VACUUM INTO ?", (str(old / "mlflow.db"),))
    # As a server without an artifact proxy has written it.
    with closing(sqlite3.connect(old / "mlflow.db")) as database, database:
        database.execute(
            "UPDATE runs SET artifact_uri = replace(artifact_uri, 'mlflow-artifacts:', ?)", (f"{old}/mlartifacts",)
        )

    places = {"/srv/old-mlflow": str(old), "~/.local/share/mlops-mlflow": str(moved.data)}
    copy, deploy = blocks("moving_here.md", "sh", {**places, "-i inventories/local": settings_of(moved, tmp_path)})
    typed(copy)
    (rewrite,) = blocks("moving_here.md", "python", places)
    programmed(rewrite, moved.interpreter)
    typed(deploy)
    there = moved.client()
    info = there.get(f"{API}/runs/get", {"run_id": run}).json()["run"]["info"]
    assert info["artifact_uri"] == uri
    got = there.request("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}/model.bin")
    assert got.body == b"moved"
