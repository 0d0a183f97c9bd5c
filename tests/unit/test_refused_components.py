"""What database and artifact store are told and cannot be, each refused by its role before anything is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import LOCAL_HOST, WITHOUT_FORKS, run_playbook

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: "mlops.mlflow.{{ role }}"
        tasks_from: connection
"""
STORE = {"role": "mlflow_artifact_store", "mlflow_artifact_store_type": "seaweedfs"}
DATABASE = {"role": "mlflow_database", "mlflow_database_type": "cratedb"}
COPIES = "mlflow_artifact_store_copies is {} and mlflow_artifact_store_volume_servers {}: each copy of an object needs"
TWO_GIB = {"limits": {"memory": "2Gi"}}
# By the name of a host: what it is told, and what it hears.
ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "copies-in-one-process": ({**STORE, "mlflow_artifact_store_copies": 2}, COPIES.format(2, 0)),
    "copies-above-servers": (
        {**STORE, "mlflow_artifact_store_copies": 3, "mlflow_artifact_store_volume_servers": 2},
        COPIES.format(3, 2),
    ),
    "no-copy": ({**STORE, "mlflow_artifact_store_copies": 0}, COPIES.format(0, 0)),
    "servers-on-compose": (
        {**STORE, "mlflow_platform": "compose", "mlflow_artifact_store_volume_servers": 1},
        COPIES.format(1, 1),
    ),
    "no-bucket": ({**STORE, "mlflow_artifact_store_bucket": "My_Bucket"}, "is 'My_Bucket', which is no bucket of Sea"),
    "heap": (
        {**DATABASE, "mlflow_database_heap": "1500m", "mlflow_database_resources": TWO_GIB},
        "mlflow_database_heap is 1500m, which is more than half of the memory of mlflow_database_resources, 2Gi",
    ),
    "cratedb-tls": ({**DATABASE, "mlflow_tls_inside": True}, "talk to CrateDB by plain HTTP, passwords included"),
    "two-nodes": ({**DATABASE, "mlflow_database_nodes": 2}, "mlflow_database_nodes is 2; it must be 1 or 3."),
    "no-version": (
        {**DATABASE, "mlflow_database_type": "cloudnative_pg", "mlflow_database_image": f"r:5000/pg@sha256:{'a' * 64}"},
        "CloudNativePG reads the version of PostgreSQL in the tag: name one that begins with it",
    ),
    "on-a-host": ({**DATABASE, "mlflow_platform": "host"}, "mlflow_database_type"),
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("refused")
    (folder / "play.yml").write_text(PLAY)
    hosts = {name: {**LOCAL_HOST, "mlflow_platform": "kubernetes", **told} for name, (told, _words) in ROWS.items()}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    run = run_playbook(Path(folder, "play.yml"), folder / "hosts.json", program=WITHOUT_FORKS)
    assert run.code
    return [str(failure.get("msg")) for failure in run.failures]


@pytest.mark.parametrize("name", ROWS)
def test_it_is_refused_with_thing_and_cause(messages: list[str], name: str) -> None:
    words = ROWS[name][1]
    assert len([one for one in messages if words in one]) == 1, messages
