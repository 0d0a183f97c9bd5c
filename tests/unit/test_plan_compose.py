"""The plan of compose: servers, what each container sees, and what is wrong with the engine."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.launch import STORED_KEYS
from support.intents import BUCKET
from support.plans import POSTGRESQL, planned
from support.playbooks import REPOSITORY

FOUND: dict[str, Any] = {
    "engine": {"version": "28", "problem": ""},
    "compose": {"version": "2.30", "problem": ""},
    "networks": {"mlflow": "mlflow"},
    "volumes": {"mlflow-artifacts": "mlflow"},
    "overlaps": [],
    "containers": [],
    "foreign_containers": [],
    "scratch": [],
    "port": "free",
}


def container(service: str, **fields: Any) -> dict[str, Any]:
    own = {"name": f"mlflow-{service}", "service": service, "component": "server", "state": "running", "problem": ""}
    return {**own, "version": "3.17.2", "networks": ["mlflow"], "zone": "", **fields}


def seen(change: dict[str, Any] | None = None, **found: Any) -> dict[str, Any]:
    return planned("compose", change, observed={"compose": {**FOUND, **found}})


def test_one_server_is_published_itself_and_several_by_a_load_balancer() -> None:
    one, two = planned("compose", {"replicas": 1}), planned("compose", {"replicas": 2})
    assert not one["compose"]["balanced"] and one["urls"]["inside"] == "http://mlflow-server-1:5000"
    assert two["compose"]["balanced"] and two["urls"]["inside"] == "http://mlflow-load-balancer:5000"
    assert "mlflow-load-balancer" not in one["compose"]["claims"]["containers"]


def test_the_port_of_the_container_and_that_of_the_host_are_two() -> None:
    plan = planned("compose", {"port": 8080})
    assert plan["ports"] == {"listen": 5000, "publish": 8080}
    assert plan["compose"]["published"] == "127.0.0.1:8080:5000"
    assert plan["urls"] == {
        "public": "http://127.0.0.1:8080",
        "local": "http://127.0.0.1:8080",
        "inside": "http://mlflow-load-balancer:5000",
        "operations": "http://mlflow-load-balancer:5000",
    }


def test_operations_ask_a_server_where_the_load_balancer_has_a_certificate() -> None:
    plan = planned("compose", {"tls_certificate": "/c.pem", "tls_key": "/k.pem"})
    assert plan["urls"]["operations"] == "http://mlflow-server-1:5000"
    assert plan["urls"]["inside"] == "https://mlflow-load-balancer:5000"


def test_each_container_sees_its_own_secrets_only() -> None:
    owner = {"uri": "postgresql+psycopg://o@db/mlflow", "secrets": {"PGPASSWORD": {"file": "/srv/owner"}}}
    database = {**POSTGRESQL, "owner": owner}
    secrets = planned("compose", {"auth": "basic"}, database=database, store=BUCKET_ON_FILES)["secrets"]
    by_container: dict[str, set[str]] = {}
    for path in secrets:
        by_container.setdefault(path.split("/")[1], set()).add(path.split("/")[2])
    assert by_container == {
        "server": {"PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_FLASK_SERVER_SECRET_KEY", *STORED_KEYS.values()},
        "trial": {
            *("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_TRACKING_PASSWORD"),
            *STORED_KEYS.values(),
        },
        "ops": {"PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"},
        "schema": {"PGPASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD"},
    }
    assert secrets["secrets/schema/PGPASSWORD"] == "/srv/owner"


BUCKET_ON_FILES = {**BUCKET, "secrets": {"AWS_SECRET_ACCESS_KEY": {"file": "/srv/key"}}}


def test_a_launch_holds_no_path_of_the_host() -> None:
    secrets = planned("compose", {"auth": "basic"})["launch"]["secrets"]
    assert all(set(place) != {"file"} or place["file"].startswith("/run/secrets/") for place in secrets.values())


def test_what_is_staged_is_in_a_folder_of_its_own() -> None:
    plan = planned("compose", staged=True)
    assert plan["compose"]["file"] == "/srv/mlflow/server-requested/compose.yaml"
    assert plan["compose"]["mounts"]["configuration"].startswith("/srv/mlflow/server-requested/")
    assert planned("compose")["staged"]["runner"]["project"] == plan["connection"]["runner"]["project"]


def test_only_servers_that_run_are_replaced_one_after_the_other() -> None:
    both = seen(containers=[container("server-1"), container("server-2")])["compose"]
    assert [one["container"] for one in both["replaceable"]] == ["mlflow-server-1", "mlflow-server-2"]
    assert both["settled"]
    one = seen(containers=[container("server-1"), container("server-2", state="exited")])["compose"]
    assert one["replaceable"] == [] and one["running"] == ["server-1"] and not one["settled"]


def test_a_problem_of_any_container_keeps_the_deployment_unsettled() -> None:
    there = [container("server-1"), container("server-2"), container("database", component="database", problem="x")]
    assert not seen(containers=there)["compose"]["settled"]


def test_a_server_without_a_network_is_cut_off_and_nobody_waits_for_it() -> None:
    there = [container("server-1", networks=[], zone="a"), container("server-2"), container("server-3", networks=[])]
    there[2]["state"] = "exited"
    found = seen(containers=there)["compose"]
    assert (found["cut_off"], found["reachable"]) == ({"mlflow-server-1": "a"}, ["server-2"])


def test_the_deployed_version_is_that_of_servers_running_or_not() -> None:
    there = [container("database", component="database", version="1"), container("server-1", state="exited")]
    assert seen(containers=there)["deployed"] == "3.17.2"
    assert seen()["deployed"] == ""


def test_volumes_of_servers_that_are_no_more_are_superfluous() -> None:
    scratch = ["mlflow-server-1-scratch", "mlflow-server-3-scratch", "mlflow-x-server-9-scratch", "mlflow-other"]
    assert seen(scratch=scratch)["compose"]["superfluous"] == ["mlflow-server-3-scratch"]


def test_servers_are_in_the_zones_in_turn() -> None:
    plan = planned("compose", {"replicas": 3, "zones": {"a": "10.20.0.0/24", "b": ""}})["compose"]
    assert [one["zone"] for one in plan["services"]] == ["a", "b", "a"]
    assert plan["subnets"] == {"mlflow-a": "10.20.0.0/24", "mlflow-b": ""}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"engine": {"version": "", "problem": "No Docker."}}, "No Docker."),
        ({"compose": {"version": "", "problem": "No compose."}}, "No compose."),
        ({"port": "taken"}, "Port 5000 on 127.0.0.1 is held by another program"),
        ({"overlaps": ["10.0.0.0/24 by bridge"]}, "A subnet is in use already: 10.0.0.0/24 by bridge."),
        ({"foreign_containers": ["mlflow-server-1"]}, "made by others, and are not touched: mlflow-server-1."),
        ({"networks": {"mlflow": ""}}, "Networks with these names were made by others: mlflow."),
        ({"volumes": {"mlflow-artifacts": "x"}}, "Volumes with these names were made by others, and are not touched"),
    ],
)
def test_what_is_wrong_with_the_engine_is_said_with_the_remedy(found: dict[str, Any], words: str) -> None:
    [error] = seen(**found)["misfits"]
    assert words in error


def test_an_engine_that_fits_has_no_misfits() -> None:
    assert seen()["misfits"] == []


def test_the_port_in_the_container_is_written_in_the_plan_alone() -> None:
    role = REPOSITORY / "roles" / "mlflow_server"
    files = [*(role / "templates" / "compose").iterdir(), *(role / "tasks" / "compose").iterdir()]
    files += [role / "vars" / "main" / name for name in ("compose.yml", "host.yml", "server.yml", "settings.yml")]
    assert [file.name for file in files if "5000" in file.read_text()] == []
