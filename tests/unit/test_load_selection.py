"""What load tests and benchmarks are pointed at."""

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import selection
from support.plans import planned


def test_servers_in_containers_are_named_by_their_connection() -> None:
    # As the plan says it, not as this test would.
    connection = planned("compose", {"replicas": 2, "max_replicas": 2})["connection"]
    found = selection.watched(connection, {"other": "/srv/other"}, 5432)
    assert [one["container"] for one in found] == ["mlflow-server-1", "mlflow-server-2"]
    assert {one["database_port"] for one in found} == {5432}


def test_others_are_found_by_their_folders_and_without_a_database_none_is_counted() -> None:
    found = selection.watched({}, {"mlflow": "/srv/mlflow/server"}, 0)
    assert found == [{"name": "mlflow", "group_file": "/srv/mlflow/server/run/launch.group", "database_port": None}]


def test_a_target_is_deployed_by_the_playbook_of_its_name_unless_another_is_named() -> None:
    told = [
        {"name": "local", "inventory": "inventories/local"},
        {"name": "team", "inventory": "inventories/team", "playbook": "local.yml"},
    ]
    assert selection.files(told, "p") == ["inventories/local", "p/local.yml", "inventories/team"]
