"""Load tests against real servers: the verdict, what is refused, and that nothing of them is left."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import run
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.plan import Target, Wanted
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.targets import clean_up
from support import locust
from support.host.deployment import Deployment
from support.playbooks import PlayResult, run_module, run_play
from support.ports import NOBODYS_PORT
from support.postgresql import PostgreSQL
from support.servers import API, RunningServer

# Small, and yet every task comes: a quick user with even weights.
EVERYTHING = {"artifact_32m": 1, "delete_and_restore_experiment": 10, "create_model_version": 10, "register_model": 10,
              "create_experiment": 10, "log_batch_500": 5, "artifact_1m": 5}  # fmt: skip
NEVER_HELD = {"log_metric": {"p95_ms": 0.001}, "all": {"per_second": 100000}}


@pytest.fixture(scope="session")
def locust_dir() -> Path:
    return locust.installed()


@pytest.fixture
def arguments(locust_dir: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "allowed": True,
        "locust": str(locust.program(locust_dir)),
        "scenario": str(locust.SCENARIO),
        "report_dir": str(tmp_path / "report"),
        "users": 3,
        "run_time": 10,
        "wait_min": 0,
        "wait_max": 0.1,
        "weights": EVERYTHING,
        "progress_interval": 2,
    }


def active(client: Client) -> dict[str, list[str]]:
    """Names of what a user of the API sees."""
    experiments = client.post(f"{API}/experiments/search", {"max_results": 1000}, safe=True).json()["experiments"]
    models = client.get(f"{API}/registered-models/search", {"max_results": 1000}).json().get("registered_models", [])
    return {"experiments": [one["name"] for one in experiments], "models": [one["name"] for one in models]}


def files(server: RunningServer) -> list[Path]:
    return sorted(path for path in server.artifacts.rglob("*") if path.is_file())


def trace_rows(postgresql: PostgreSQL) -> int:
    return postgresql.row_counts("light")["trace_info"]


def load(arguments: dict[str, Any], *options: str, **changed: Any) -> PlayResult:
    task = {"name": "load", "mlops.mlflow.mlflow_load_test": {**arguments, **changed}}
    return run_play([task], *options)


@pytest.mark.ci
def test_a_load_test_passes_writes_its_reports_and_leaves_nothing_behind(
    light_server: RunningServer, postgresql: PostgreSQL, arguments: dict[str, Any]
) -> None:
    client = Client(light_server.server())
    before = (active(client), files(light_server), trace_rows(postgresql))
    group_file = light_server.launch_file.with_suffix(".group")
    watched = [{"name": "server", "group_file": str(group_file), "database_port": postgresql.port}]
    played = load(
        arguments,
        url=light_server.url,
        servers=watched,
        slos={"all": {"error_rate": 0, "per_second": 1}, "log_batch_100": {"p95_ms": 60000}},
    ).succeeded()
    result = played.of("load")
    assert (result["passed"], result["changed"], result["reasons"]) == (True, True, [])
    assert result["verdict"].startswith("passed: 3 objectives held")
    assert "users" in played.output and "req" in played.output  # the progress was shown
    assert result["total"]["failures"] == 0 and result["total"]["requests"] > 50
    assert result["clean_up"]["left"] == [] and result["clean_up"]["experiments"] >= 3
    report = json.loads(Path(result["reports"]["json"]).read_text())
    # "Already exists" was met, and counted as what it is: a right answer.
    seen = {one["name"]: one for one in report["operations"]}
    assert seen["create_existing_experiment"]["failures"] == 0
    (server,) = report["servers"]
    assert server["cpu_seconds"] > 0 and server["memory_peak_bytes"] > 50 * 1024**2
    assert server["database_connections_peak"] >= 1
    suite = ElementTree.parse(result["reports"]["junit"]).getroot()[0]  # noqa: S314
    assert suite.attrib["failures"] == "0"
    assert "<svg" in Path(result["reports"]["html"]).read_text()
    assert (Path(arguments["report_dir"]) / "locust.html").exists()
    assert (active(client), files(light_server), trace_rows(postgresql)) == before
    client.close()


def test_an_impossible_objective_fails_with_what_was_seen_and_still_cleans_up(
    light_server: RunningServer, arguments: dict[str, Any]
) -> None:
    client = Client(light_server.server())
    before = active(client)
    result = load(arguments, url=light_server.url, run_time=4, slos=NEVER_HELD).of("load")
    assert result["failed"] is True and result["passed"] is False
    assert "seen, but p95 at most 0.001 ms was wanted" in result["msg"]
    assert "seen, but throughput at least 1e+05/s was wanted" in result["msg"]
    suite = ElementTree.parse(result["reports"]["junit"]).getroot()[0]  # noqa: S314
    assert suite.attrib["failures"] == "2"
    assert active(client) == before
    client.close()
    reported = load(arguments, url=light_server.url, run_time=3, slos=NEVER_HELD, fail_on_violation=False)
    assert reported.succeeded().of("load")["passed"] is False


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"allowed": False}, ["not allowed", "mlflow_load_test_allowed: true"]),
        ({"slos": {"fly": {"p95_ms": 1}}}, ["the operation 'fly', which does not exist"]),
        (
            {"url": f"http://127.0.0.1:{NOBODYS_PORT}"},
            ["cannot be loaded, and nothing was started", "Connection refused"],
        ),
        ({"weights": {"sing": 1}}, ["the task 'sing', which does not exist"]),
        ({"locust": "/nowhere/locust"}, ["Locust is not at /nowhere/locust", "run the role mlops.mlflow.locust"]),
        ({"report_dir": "reports"}, ["report_dir is reports", "absolute"]),
        ({"wait_max": None}, ["required together: wait_min, wait_max"]),
    ],
    ids=[
        "not allowed",
        "unknown operation",
        "unreachable",
        "unknown task",
        "no Locust",
        "relative folder",
        "half a wait",
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    light_server: RunningServer, arguments: dict[str, Any], changed: dict[str, Any], words: list[str]
) -> None:
    wanted = {**arguments, "url": light_server.url, **changed}
    result = load({name: value for name, value in wanted.items() if value is not None}).of("load")
    assert result["failed"] is True
    assert all(word in result["msg"] for word in words), result["msg"]
    assert not Path(arguments["report_dir"]).exists()


def test_check_mode_says_what_would_run_and_starts_nothing(
    light_server: RunningServer, arguments: dict[str, Any]
) -> None:
    result = load(arguments, "--check", url=light_server.url).of("load")
    assert result["verdict"].startswith(f"would load {light_server.url} with 3 users for 10 s (35 operations)")
    assert "passed" not in result and result["changed"] is True
    assert not Path(arguments["report_dir"]).exists()
    refused = load(arguments, "--check", url=light_server.url, allowed=False).of("load")
    assert refused["failed"] is True


def test_the_same_seed_gives_every_user_the_same_tasks_in_the_same_order(
    light_server: RunningServer, locust_dir: Path, tmp_path: Path
) -> None:
    def sequence(name: str, seed: int) -> dict[str, list[str]]:
        record = tmp_path / name
        wanted = Wanted(
            [Target("one", light_server.server(), allowed=True)],
            users=2, seconds=6, wait=(0.0, 0.05), seed=seed, weights={"artifact_32m": 0},
        )  # fmt: skip
        result = run.run(
            wanted, str(locust.program(locust_dir)), str(locust.SCENARIO), tmp_path / f"{name}.d", record=str(record)
        )
        assert result["total"]["failures"] == 0
        done: dict[str, list[str]] = {}
        for line in record.read_text().splitlines():
            user, task = line.split()
            done.setdefault(user, []).append(task)
        return done

    first, again, other = sequence("first", 7), sequence("again", 7), sequence("other", 8)
    assert set(first) == set(again) == {"0-0", "0-1"}
    for user in first:
        common = min(len(first[user]), len(again[user]))
        assert common >= 5 and first[user][:common] == again[user][:common]  # so few on a very busy machine
        assert first[user][:common] != other[user][:common]


def test_several_processes_and_several_servers_are_told_apart(
    light_server: RunningServer, team: Deployment, arguments: dict[str, Any], tmp_path: Path
) -> None:
    password = team.variables["mlflow_server_auth_password_file"]
    targets = [
        {"name": "light", "url": light_server.url},
        {"name": "team", "url": team.url, "allowed": True, "username": "admin", "password_file": password},
    ]
    played = load(arguments, targets=targets, users=4, run_time=8, processes=2).succeeded()
    report = json.loads(Path(played.of("load")["reports"]["json"]).read_text())
    counted = {one["name"]: one for one in report["counted_targets"]}
    assert set(counted) == {"light", "team"} and all(one["requests"] > 5 for one in counted.values())
    assert report["client"]["processes"] == 2
    secret = Path(password).read_text().strip()
    for file in Path(arguments["report_dir"]).iterdir():
        assert secret not in file.read_text(errors="replace"), file
    assert secret not in played.output
    # One of a fleet that nobody allowed: none is touched.
    refused = load(arguments, targets=[{**targets[0], "allowed": False}, targets[1]]).of("load")
    assert "not allowed on light:" in refused["msg"]


def test_wrong_credentials_are_refused_before_anything_starts(team: Deployment, arguments: dict[str, Any]) -> None:
    result = load(arguments, url=team.url, username="admin", password="wrong-password-1").of("load")
    assert result["failed"] is True and "wants credentials, or refused those it got" in result["msg"]


def test_a_locust_that_dies_fails_the_test_with_its_log_and_cleans_up(
    light_server: RunningServer, arguments: dict[str, Any], tmp_path: Path
) -> None:
    client = Client(light_server.server())
    before = active(client)
    report_dir = Path(arguments["report_dir"])
    report_dir.mkdir()
    (report_dir / "locust.json").write_text(json.dumps({"old": "result"}))
    (report_dir / "result.json").write_text("{}")
    scenario = tmp_path / "dying.py"
    end = "gevent.spawn_later(2, lambda: (print('out of luck', flush=True), os._exit(7)))"
    scenario.write_text(f"{locust.SCENARIO.read_text()}\n{end}\n")
    result = load(arguments, url=light_server.url, scenario=str(scenario)).of("load")
    assert result["failed"] is True
    assert "Locust ended with status 7" in result["msg"] and "out of luck" in result["msg"]
    assert "What it had made was removed." in result["msg"]
    assert active(client) == before and not (report_dir / "result.json").exists()
    client.close()


@pytest.fixture
def leftovers(light_server: RunningServer) -> Iterator[str]:
    """What a load test left that was killed together with the machine that ran it."""
    client, name = Client(light_server.server()), "mlops-load-abandoned"
    for one in ("user-0-0", "shared-1"):
        identity = client.post(f"{API}/experiments/create", {"name": f"{name}-{one}"}).json()["experiment_id"]
        client.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{identity}/run/artifacts/x.bin", b"x")
    client.post(f"{API}/experiments/delete", {"experiment_id": identity})
    client.post(f"{API}/registered-models/create", {"name": f"{name}-model-0-0"})
    client.post(f"{API}/registered-models/create", {"name": "mlops-load-another"})
    yield name
    client.request("DELETE", f"{API}/registered-models/delete", json.dumps({"name": "mlops-load-another"}).encode(),
                   {"Content-Type": "application/json"})  # fmt: skip
    client.close()


def test_what_a_killed_load_test_left_is_removed_and_nothing_else(light_server: RunningServer, leftovers: str) -> None:
    before = files(light_server)
    cleaned = clean_up(light_server.server(), leftovers)
    assert (cleaned.experiments, cleaned.registered_models, cleaned.artifact_folders, cleaned.left) == (2, 1, 2, [])
    client = Client(light_server.server())
    assert not [name for name in active(client)["experiments"] if name.startswith(leftovers)]
    assert active(client)["models"].count("mlops-load-another") == 1
    client.close()
    assert len(files(light_server)) == len(before) - 2


def test_the_playbook_loads_only_where_the_inventory_allows_it(laptop: Deployment, locust_dir: Path) -> None:
    small = {"locust_dir": str(locust_dir), "locust_users": "2", "locust_run_time": "5", "locust_report_dir":
             str(laptop.data / "load")}  # fmt: skip
    refused = laptop.play("load_test", **small)
    assert refused.code != 0 and "set mlflow_load_test_allowed: true in its inventory" in refused.message
    played = laptop.play("load_test", mlflow_load_test_allowed="true", **small).succeeded()
    said = played.of("Report the verdict")["msg"]
    assert said.startswith("The load test passed: 1 objective held") and str(laptop.data / "load/report.html") in said
    report = json.loads((laptop.data / "load" / "result.json").read_text())
    assert report["servers"][0]["measured"] is True and report["targets"][0]["url"] == laptop.url
    failed = laptop.play("load_test", mlflow_load_test_allowed=True, **small, locust_slos=NEVER_HELD)
    assert failed.code != 0 and failed.message.startswith("The load test failed: log_metric:")
    checked = laptop.play("load_test", "--check", mlflow_load_test_allowed=True, **small).succeeded()
    assert "would load" in str(checked.of("Load the server, and show the progress")["verdict"])


def test_the_module_says_which_server_it_is_when_it_refuses(arguments: dict[str, Any]) -> None:
    result = run_module("mlflow_load_test", {**arguments, "allowed": False, "url": "http://127.0.0.1:1"})
    assert result["msg"].startswith("A load test was not allowed on 127.0.0.1:1:")
