"""Another database or artifact store under a deployment with data is noticed; another spelling of the same is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.moved import moved
from support.intents import BUCKET, FOLDER, POSTGRESQL, SQLITE, computed
from support.plans import PLATFORMS, planned

OBSERVED: dict[str, dict[str, Any]] = {
    "host": {"python_supported": True},
    "compose": {
        "engine": {"problem": ""},
        "compose": {"problem": ""},
        "networks": {},
        "volumes": {},
        "overlaps": [],
        "foreign_containers": [],
        "port": "free",
    },
    "kubernetes": {"minor": 34, "default_storage_class": "standard", "storage_classes": ["standard"], "metrics": True},
}


def launch(database: dict[str, Any] = SQLITE, store: dict[str, Any] = FOLDER, **settings: Any) -> dict[str, Any]:
    return computed(database=database, artifact_store=store, **settings).as_dict()


def at(connection: dict[str, Any], uri: str, **more: Any) -> dict[str, Any]:
    return {**connection, "uri": uri, **more}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (launch(), launch(at(SQLITE, "sqlite:////srv/other/mlflow.db")), ["database", "/srv/other/mlflow.db"]),
        (launch(), launch(POSTGRESQL), ["database", "db.example.com", "sqlite:////srv/mlflow/mlflow.db"]),
        (launch(POSTGRESQL), launch(at(POSTGRESQL, "postgresql+psycopg://mlflow@db2/mlflow")), ["database", "db2"]),
        (
            launch(POSTGRESQL),
            launch(at(POSTGRESQL, "postgresql+psycopg://mlflow@db.example.com:6432/mlflow")),
            ["database", "6432"],
        ),
        (
            launch(POSTGRESQL),
            launch(at(POSTGRESQL, "postgresql+psycopg://mlflow@db.example.com/other")),
            ["database", "/other"],
        ),
        (launch(), launch(store=at(FOLDER, "/srv/elsewhere")), ["artifact store", "/srv/elsewhere"]),
        (launch(), launch(store=BUCKET), ["artifact store", "s3://bucket/prefix", "/srv/mlflow/artifacts"]),
        (launch(store=BUCKET), launch(store=at(BUCKET, "s3://bucket/other")), ["artifact store", "s3://bucket/other"]),
        (
            launch(store=BUCKET),
            launch(store=at(BUCKET, "s3://bucket/prefix", env={"MLFLOW_S3_ENDPOINT_URL": "https://s3.other"})),
            ["artifact store"],
        ),
    ],
)
def test_data_that_would_lie_elsewhere_is_named_with_both_places(
    before: dict[str, Any], after: dict[str, Any], words: list[str]
) -> None:
    (said,) = moved(before, after, "mlflow_server_accept_other_data")
    assert [word for word in [*words, "mlflow_server_accept_other_data"] if word not in said] == []


def of_users(database: str) -> dict[str, Any]:
    return launch(POSTGRESQL, auth={"config": "/auth.ini", "secret_key": {"file": "/key"}, "database": database})


def test_users_who_would_be_left_behind_are_named() -> None:
    before = of_users("postgresql+psycopg://mlflow@db.example.com/mlflow_auth?keepalives=1")
    (said,) = moved(before, of_users("postgresql+psycopg://mlflow@db.example.com/people"), "x")
    assert said.startswith("The database of its users is postgresql+psycopg://mlflow@db.example.com/people, and")
    assert "none of them could log in" in said
    for same in (of_users("postgresql+psycopg2://boss@DB.example.com:5432/mlflow_auth"), launch(POSTGRESQL)):
        assert moved(before, same, "x") == [] and moved(same, before, "x") == []


@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
def test_a_plan_knows_where_users_are(platform: str) -> None:
    database = {**PLATFORMS[platform][1], "auth_uri": "postgresql+psycopg://mlflow@mlflow-database:5432/mlflow_auth"}
    change = {"auth": "basic", "accept_other_data": "false"}
    observed = {**OBSERVED[platform], "launch": planned(platform, change, database=database)["launch"]}
    other = {**database, "auth_uri": "postgresql+psycopg://mlflow@mlflow-database:5432/people"}
    assert planned(platform, change, database=database, observed={platform: observed})["misfits"] == []
    (refused,) = planned(platform, change, database=other, observed={platform: observed})["misfits"]
    assert "The database of its users is" in refused


def test_both_are_named_when_both_moved() -> None:
    assert len(moved(launch(), launch(POSTGRESQL, BUCKET), "x")) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, launch()),
        (launch(), launch(port=5001, host="0.0.0.0", profile="full", static_prefix="/x")),
        (
            launch(POSTGRESQL),
            launch(at(POSTGRESQL, "postgresql+psycopg2://other@DB.example.com/mlflow?sslmode=require")),
        ),
        (launch(), launch(at(SQLITE, "sqlite:////srv//mlflow/mlflow.db"))),
        (launch(store=at(FOLDER, "file:///srv/mlflow/artifacts/")), launch()),
        (launch(store=BUCKET), launch(store=at(BUCKET, "s3://bucket/prefix/"))),
        (
            launch(store=at(BUCKET, "s3://bucket", env={"MLFLOW_S3_ENDPOINT_URL": "http://mlflow-artifacts:7070"})),
            launch(store=at(BUCKET, "s3://bucket", env={"MLFLOW_S3_ENDPOINT_URL": "https://mlflow-artifacts:7070"})),
        ),
        (launch(store=BUCKET), launch(store=BUCKET, direct_artifacts=True)),
    ],
)
def test_the_same_data_reached_in_another_way_is_no_other_data(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert moved(before, after, "x") == []


def test_a_launch_that_an_older_collection_wrote_is_compared_too() -> None:
    old = {"env": {"_MLFLOW_SERVER_FILE_STORE": "postgresql://mlflow@db/mlflow"}}
    assert len(moved(old, launch(), "x")) == 1


@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
def test_the_plan_refuses_other_data_than_was_seen_until_that_is_meant(platform: str) -> None:
    observed = {**OBSERVED[platform], "launch": planned(platform)["launch"]}
    assert planned(platform, observed={platform: observed})["misfits"] == []
    env = {**observed["launch"]["env"], "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "/elsewhere"}
    before = {**observed, "launch": {**observed["launch"], "env": env}}
    (refused,) = planned(platform, observed={platform: before})["misfits"]
    assert refused.startswith("The artifact store is ") and "has its data in /elsewhere" in refused
    assert "set mlflow_server_accept_other_data to true" in refused
    assert planned(platform, {"accept_other_data": "true"}, observed={platform: before})["misfits"] == []
    # With settings that contradict themselves there is nothing to compare.
    broken = planned(platform, {"profile": "heavy"}, observed={platform: before})
    assert broken["errors"] and broken["misfits"] == []
