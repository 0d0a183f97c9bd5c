"""The connection of a server: the same keys on every platform, and a runner that the engine can parse."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.connection import RunnerConnection
from support.plans import PLATFORMS, planned

KEYS = {
    *(
        "type",
        "uri",
        "host",
        "port",
        "env",
        "secrets",
        "version",
        "profile",
        "scalable",
        "database",
        "restored_secrets",
    ),
    *("runner", "workload", "schema"),
}
PLAN = {
    *("name", "target", "listens", "launch", "ports", "urls", "files", "secrets", "bucket", "auth"),
    *("version", "deployed", "staged", "schema", "errors", "misfits", "connection", "resources"),
}


@pytest.mark.parametrize("auth", ["none", "basic"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_has_the_same_keys_everywhere(platform: str, auth: str) -> None:
    connection = planned(platform, {"auth": auth})["connection"]
    assert set(connection) == KEYS
    assert bool(connection["secrets"]) == ("flask-secret-key" in connection["restored_secrets"]) == (auth == "basic")
    assert set(connection["database"]) == {"type", "uri"}
    assert set(connection["schema"]) - {"password_file"} == {"uri"}, "users are no part of it"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_plan_has_the_same_keys_everywhere_and_one_of_its_platform(platform: str) -> None:
    assert set(planned(platform)) == PLAN | {platform}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_operations_find_their_runner_in_it(platform: str) -> None:
    runner = RunnerConnection.parse(planned(platform)["connection"]["runner"])
    assert runner.type == platform
    assert runner.options["url"].startswith("http://")
    RunnerConnection.parse(planned(platform)["staged"]["runner"])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_mistake_of_the_launch_leaves_a_plan_that_can_be_read(platform: str) -> None:
    plan = planned(platform, {"profile": "fast"})
    assert plan["launch"] == {} and plan["files"] == {}
    assert set(plan) == PLAN | {platform}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_schema_is_read_and_changed_under_the_owners_role(platform: str) -> None:
    owner = {"uri": "postgresql+psycopg://boss@db/m", "auth_uri": "postgresql+psycopg://boss@db/a", "secrets": {}}
    database = {"type": "external_postgresql", "uri": "postgresql+psycopg://app@db/m", "owner": owner}
    schema = planned(platform, {"auth": "basic"}, database=database)["schema"]
    assert schema["reads"]["uri"] == schema["writes"]["uri"] == owner["uri"]
    assert schema["reads"]["auth_uri"] == owner["auth_uri"] and "grantee" not in schema["reads"]
    assert schema["writes"]["grantee"] == "app"
    without = planned(platform, {"auth": "none"})["schema"]
    assert "auth_uri" not in without["writes"] and "grantee" not in without["writes"]
