"""What a CrateDB in a cluster is started with, and what is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import cratedb_repository
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb import CrateDB
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb_configuration import compute
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.cratedb_repository_settings import (
    compute as repository,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.cratedb import stand_in

ROOT = Path(__file__).parents[2]
START = ROOT / "roles/mlflow_database/files/cratedb-start.sh"


def test_the_heap_is_half_of_the_memory_and_one_node_waits_for_no_other() -> None:
    found = compute("db", "2Gi")
    assert (found["heap"], found["nodes"]) == ("1024m", 1)
    arguments = found["arguments"]
    assert "-Cdiscovery.type=single-node" in arguments
    for setting in ("udc.enabled=false", "psql.enabled=false", "auth.host_based.config.0.address=_local_"):
        assert f"-C{setting}" in arguments
    assert len(arguments) == len({argument.partition("=")[0] for argument in arguments}), "each once"


def test_three_nodes_know_each_other_and_two_of_them_are_enough() -> None:
    arguments = compute("db", "2Gi", "1g", 3)["arguments"]
    assert "-Cdiscovery.seed_hosts=db-0.db-pods:4300,db-1.db-pods:4300,db-2.db-pods:4300" in arguments
    assert "-Ccluster.initial_master_nodes=db-0,db-1,db-2" in arguments
    assert "-Cgateway.recover_after_data_nodes=2" in arguments
    assert "-Cdiscovery.type=single-node" not in arguments


def test_snapshots_pass_through_a_volume_that_all_nodes_can_write() -> None:
    found = repository("db")
    assert found == {
        "claim": "db-repository",
        "access_mode": "ReadWriteOnce",
        "env": {"CRATEDB_REPOSITORY": "/repository"},
    }
    assert repository("db", 3)["access_mode"] == "ReadWriteMany"


def test_or_through_a_bucket_whose_keys_stay_in_their_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    found = repository("db", 3, "s3://snapshots/team/a", "http://store:8333", "", "store-keys")
    assert "claim" not in found and "access_mode" not in found
    keys = {name: place["key"] for name, place in found["secrets"].items()}
    assert {place["secret"] for place in found["secrets"].values()} == {"store-keys"}
    for name, value in {**found["env"], **keys}.items():
        monkeypatch.setenv(name, value)
    # What operators make of that environment, where the keys have come from the Secret.
    told = cratedb_repository.configured().options("one")
    assert told == {
        "bucket": "snapshots",
        "base_path": "team/a/one",
        "access_key": "access-key",
        "secret_key": "secret-key",
        "endpoint": "http://store:8333",
        "protocol": "http",
        "region": "us-east-1",
        "use_path_style_access": True,
    }


@pytest.mark.parametrize(
    ("uri", "endpoint", "secret", "words"),
    [
        (
            "s3://snapshots",
            "",
            "keys",
            "mlflow_database_repository_uri is 's3://snapshots'; it must be s3://bucket/prefix",
        ),
        ("s3://snapshots/", "", "keys", "with a prefix that nothing else uses"),
        ("s3://snapshots/a/../b", "", "keys", "must be s3://bucket/prefix"),
        ("/snapshots", "", "keys", "must be s3://bucket/prefix"),
        ("s3://me:word-4711@snapshots/a", "", "keys", "repository_uri holds a password"),
        ("s3://snapshots/a", "store:8333", "keys", "mlflow_database_repository_endpoint must look like"),
        ("s3://snapshots/a", "http://me:word-4711@store", "keys", "repository_endpoint holds credentials"),
        ("s3://snapshots/a", "", "", "mlflow_database_repository_secret is empty"),
    ],
)
def test_a_bucket_that_cannot_be_meant_is_refused_by_name(uri: str, endpoint: str, secret: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        repository("db", 1, uri, endpoint, "us-east-1", secret)
    assert words in str(refused.value) and "4711" not in str(refused.value)


@pytest.mark.parametrize(
    ("memory", "heap", "nodes", "words"),
    [
        ("2Gi", "1025m", 1, "mlflow_database_heap is 1025m, which is more than half .* lower the heap to 1024m"),
        ("1Gi", "1g", 1, "more than half of the memory of mlflow_database_resources, 1Gi"),
        ("2Gi", "1Gi", 1, "mlflow_database_heap is '1Gi'; it must be a size as Java writes it"),
        ("2Gi", "-1m", 1, "a size as Java writes it"),
        ("256Mi", "", 1, "would be 128m, and it needs 256m"),
        ("2Gi", "", 2, "mlflow_database_nodes is 2; it must be 1 or 3"),
        ("much", "", 1, "much"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(memory: str, heap: str, nodes: int, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compute("db", memory, heap, nodes)


def test_several_nodes_on_a_machine_that_allows_too_few_maps_do_not_start() -> None:
    allowed = int(Path("/proc/sys/vm/max_map_count").read_text())
    if allowed >= 262144:
        pytest.skip("this machine allows enough")
    env = {"PATH": os.environ["PATH"], "NODES": "3"}
    done = subprocess.run(["bash", START, "start"], env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"vm.max_map_count of this node is {allowed}" in done.stderr and "sysctl -w" in done.stderr


def test_mlflow_is_the_release_that_the_adapter_is_for_wherever_it_is_named() -> None:
    required = (ROOT / "images/mlflow/requirements-cratedb.txt").read_text()
    version = required.rpartition("==")[2].strip()
    assert CrateDB.adapter and version.startswith(f"{'.'.join(map(str, CrateDB.adapter.release))}.")
    inventory = yaml.safe_load((ROOT / "inventories/cratedb_seaweedfs/group_vars/mlflow.yml").read_text())
    assert inventory["mlflow_version"] == version and f":{version}-cratedb" in inventory["mlflow_image"]


def test_the_stand_in_answers_nothing_that_was_not_recorded() -> None:
    found = stand_in.StandIn("look")
    status, answer = found.answer({"stmt": "SELECT 1 FROM nobody.asked"})
    assert status == 400 and "not recorded" in answer["error"]["message"] and found.unknown
