"""AWS, emulated by moto, and playbooks that run against it."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import moto
from support.aws import REGION, SECRET, Play
from support.playbooks import LOCAL_HOST, WITHOUT_FORKS, PlayResult, run_playbook


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with moto.serving() as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def _an_empty_account(endpoint: str) -> None:
    """For the tests of each file."""
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")) as answer:
        assert answer.status == 200


@pytest.fixture(scope="session")
def client(endpoint: str) -> Callable[[str], Any]:
    """A client of a service, as a second witness of what modules did."""
    return moto.clients(endpoint)


@pytest.fixture
def cluster(client: Callable[[str], Any]) -> Iterator[str]:
    """Name of a cluster as somebody else created it."""
    name, eks = f"mlflow-{uuid.uuid4().hex[:8]}", client("eks")
    role = "arn:aws:iam::123456789012:role/cluster"
    network = {"subnetIds": ["subnet-1", "subnet-2"]}
    eks.create_cluster(name=name, version="1.32", roleArn=role, resourcesVpcConfig=network)
    yield name
    eks.delete_cluster(name=name)


@pytest.fixture
def play(endpoint: str, tmp_path: Path) -> Play:
    """Run tasks that log in by the module defaults of the group."""
    login = {"region": REGION, "access_key": "key", "secret_key": SECRET, "endpoint_url": endpoint}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"controller": LOCAL_HOST}}}))

    def run(tasks: Sequence[dict[str, Any]], *options: str) -> PlayResult:
        play = {
            "name": "Test",
            "hosts": "all",
            "gather_facts": False,
            "module_defaults": {"group/mlops.mlflow.aws": login},
            "tasks": list(tasks),
        }
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        return run_playbook(tmp_path / "play.yml", tmp_path / "hosts.yml", None, *options, program=WITHOUT_FORKS)

    return run
