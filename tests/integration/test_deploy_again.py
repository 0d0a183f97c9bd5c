"""A deployment that is deployed again: what failed is proven again, and other data is refused until it is meant."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import PlayResult

TOKEN = "AWS_SECRET_ACCESS_KEY"
PROOF = "Prove the server with the real client, unless just this one was proven"
FAULT = "CREATE TRIGGER fault BEFORE INSERT ON registered_models BEGIN SELECT RAISE(ABORT, 'injected'); END"


@pytest.fixture(scope="module")
def deployment(environments: Environments) -> Iterator[Deployment]:
    # The person who deploys has secrets of their own.
    os.environ[TOKEN] = "theirs"
    running = Deployment(environments, "light")
    try:
        running.deploy().succeeded()
        yield running
    finally:
        del os.environ[TOKEN]
        running.remove()


def test_no_process_has_the_environment_of_the_person_who_deploys(deployment: Deployment) -> None:
    server = Path(f"/proc/{deployment.group}")
    parent = int((server / "stat").read_text().rpartition(")")[2].split()[1])
    for process in (server, Path(f"/proc/{parent}")):
        environment = (process / "environ").read_bytes().split(b"\0")
        assert [one for one in environment if one.startswith(b"PATH=")], "something was read"
        assert not [one for one in environment if one.startswith((TOKEN.encode(), b"HOME=", b"SSH_", b"ANSIBLE_"))]


def sql(deployment: Deployment, statement: str) -> None:
    with sqlite3.connect(deployment.data / "database" / "mlflow.db") as connection:
        connection.execute(statement)


def proven(result: PlayResult) -> list[str]:
    return [step["name"] for step in result.of(PROOF)["steps"]]


def test_a_failed_proof_is_not_forgotten(deployment: Deployment) -> None:
    assert proven(deployment.deploy().succeeded()) == [], "it was proven when it was deployed"
    sql(deployment, FAULT)
    for _turn in range(2):
        failed = deployment.deploy(mlflow_server_access_log=True)
        assert failed.code != 0 and "registry" in failed.output, failed.output[-2000:]
    sql(deployment, "DROP TRIGGER fault")
    healed = deployment.deploy(mlflow_server_access_log=True).succeeded()
    assert len(proven(healed)) == 8
    assert "runs, and was now proven with the real client" in healed.output
    again = deployment.deploy(mlflow_server_access_log=True).succeeded()
    assert proven(again) == [] and "Nothing was changed." in again.output


def test_what_a_deploy_that_was_cut_off_has_written_is_started_by_the_next(deployment: Deployment) -> None:
    deployment.deploy(mlflow_server_access_log=False).succeeded()
    before = deployment.group
    # As it is between the writing of the launch and the restart: the file has what is requested, the server does not.
    later = time.time() + 5
    os.utime(deployment.home / "launch.json", (later, later))
    started = deployment.deploy(mlflow_server_access_log=False).succeeded()
    assert deployment.group != before and "it restarts" in started.output
    time.sleep(max(0.0, later + 3 - time.time()))
    deployment.play("restart").succeeded()
    assert deployment.deploy(mlflow_server_access_log=False).succeeded().stats["changed"] == 0


def test_other_data_is_refused_before_anything_is_changed_until_it_is_meant(deployment: Deployment) -> None:
    launch = (deployment.home / "launch.json").read_text()
    other = {"mlflow_artifact_store_dir": str(deployment.data / "elsewhere")}
    refused = deployment.deploy(**other)
    assert refused.code != 0
    assert "The artifact store is " in refused.output and str(deployment.data / "artifacts") in refused.output
    assert "set mlflow_server_accept_other_data to true" in refused.output
    assert (deployment.home / "launch.json").read_text() == launch and not (deployment.data / "elsewhere").exists()
    accepted = deployment.deploy(**other, mlflow_server_accept_other_data="true").succeeded()
    assert proven(accepted)
    env = json.loads((deployment.home / "launch.json").read_text())["env"]
    assert env["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] == str(deployment.data / "elsewhere")
