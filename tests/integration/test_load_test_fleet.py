"""A load test over a fleet: real Locust, and stand-ins for instances that sleep, behind one gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.operations import WORKLOADS
from support import locust
from support.playbooks import PlayResult, run_play
from support.stub_instances import Instances

WAKE_SECONDS = 1.5
SEARCHES = {task: 1 if task == "search_experiments" else 0 for task in WORKLOADS["mixed"]}


def load(gateway: Instances, folder: Path, names: list[str], awake: set[str], **more: Any) -> PlayResult:
    targets = [{"name": name, "url": f"http://{name}.tenants.example.com", "awake": name in awake} for name in names]
    installed = locust.installed()
    task = {
        "allowed": True, "fleet": True, "gateway": f"127.0.0.1:{gateway.port}", "targets": targets,
        "locust": str(locust.program(installed)), "scenario": str(locust.SCENARIO), "report_dir": str(folder),
        "users": 6, "spawn_rate": 6, "run_time": 8, "wait_min": 0, "wait_max": 0.1, "weights": SEARCHES,
        **more,
    }  # fmt: skip
    return run_play([{"name": "load", "mlops.mlflow.mlflow_load_test": task}])


@pytest.mark.parametrize("processes", [1, 2])
def test_an_instance_that_slept_is_woken_once_and_measured_apart(tmp_path: Path, processes: int) -> None:
    names = [f"tenant-{number}" for number in range(1, 31)]
    slos = {"all": {"p95_ms": 1000 * WAKE_SECONDS / 2, "error_rate": 0}, "wake": {"max_ms": 60_000, "error_rate": 0}}
    with Instances(WAKE_SECONDS) as gateway:
        played = load(gateway, tmp_path, names, {"tenant-7"}, slos=slos, processes=processes).succeeded()
        asked = {name.partition(".")[0] for name in gateway.asked}
    assert played.of("load")["passed"] is True
    report = json.loads((tmp_path / "result.json").read_text())
    wake = next(one for one in report["operations"] if one["name"] == "wake")
    # The one that is awake was inspected; whoever no user had sleeps on.
    assert 2 <= len(asked) <= 7 and "tenant-7" in asked
    assert len(asked) - 1 <= wake["requests"] <= len(asked) and wake["min_ms"] >= 1000 * WAKE_SECONDS * 0.9
    searches = next(one for one in report["operations"] if one["name"] == "search_experiments")
    assert report["total"]["requests"] == searches["requests"] + wake["requests"]
    assert report["total"]["max_ms"] == searches["max_ms"]


def test_a_gateway_is_not_asked_for_what_has_a_certificate(tmp_path: Path) -> None:
    with Instances() as gateway:
        one = [{"name": "a", "url": "https://a.tenants.example.com"}]
        refused = load(gateway, tmp_path, [], set(), targets=one)
        assert refused.code != 0 and "plain HTTP alone" in refused.message and not gateway.asked


def test_a_fleet_smaller_than_the_processes_is_refused(tmp_path: Path) -> None:
    with Instances() as gateway:
        refused = load(gateway, tmp_path, ["a"], set(), processes=2)
        assert refused.code != 0 and "each process wakes instances of its own" in refused.message
