"""The benchmark over a process, one server and two zones, and over a target that cannot be deployed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wheels
import yaml
from support import examples
from support.compose.deployment import Deployment
from support.compose.engine import everything
from support.playbooks import REPOSITORY, PlayResult, run_play, run_playbook

pytestmark = pytest.mark.compose

GOOD = ("local", "compose_single_az", "compose_multi_az")
STEPS = ["deploy", "health", "size", "training", "load", "fault", "destroy", "left behind"]
MIB = 1024**2


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that is over. C(before) and C(after) are what the engine held."""

    played: PlayResult
    folder: Path
    before: dict[str, set[str]]
    after: dict[str, set[str]]

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "benchmark.json").read_text()))


@pytest.fixture(scope="module")
def benchmark(make: Callable[..., Deployment]) -> Iterator[Benchmark]:
    make("compose_local", "mlflow-benchmark")  # whatever it leaves is removed at the end
    # Not pytest's folder: supervisor's socket needs a short path.
    top = Path(tempfile.mkdtemp(prefix="mlops-"))
    install, small = wheels.variables(), yaml.safe_load(Deployment.small.read_text())
    broken = {"name": "broken", "inventory": _inventory("compose_local"), "playbook": "compose_local.yml",
              "variables": {"mlflow_image": "mlops-test.local/nothing:none"}}  # fmt: skip
    targets = [{"name": name, "inventory": _inventory(name)} for name in GOOD]
    settings = {
        "benchmark_dir": str(top / "benchmark"),
        "benchmark_targets": [targets[0], broken, *targets[1:]],
        "benchmark_variables": small | install | {"mlflow_docker_host": os.environ["TEST_DOCKER_HOST"]},
        "benchmark_install_environment": install["benchmark_install_environment"],
        "benchmark_load_users": 4,
        "benchmark_load_seconds": 10,
    }
    try:
        before = everything("mlflow-benchmark")
        played = run_playbook(REPOSITORY / "playbooks" / "benchmark.yml", Path("localhost,"), settings, timeout=1800)
        done = Benchmark(played, top / "benchmark", before, everything("mlflow-benchmark"))
        assert (done.folder / "benchmark.md").exists(), played.message
        print(f"\n{(done.folder / 'benchmark.md').read_text()}")
        kept = REPOSITORY / "build" / "benchmark"
        kept.mkdir(parents=True, exist_ok=True)
        for file in done.folder.glob("benchmark.*"):
            shutil.copy(file, kept)
        yield done
    finally:
        for process in _processes(top):
            os.kill(process, signal.SIGKILL)
        shutil.rmtree(top)


@pytest.mark.parametrize("target", GOOD)
def test_a_target_goes_through_every_step_and_is_measured(benchmark: Benchmark, target: str) -> None:
    found = benchmark.report[target]
    assert [(stage["name"], stage.get("reason", "")) for stage in found["stages"]] == [(name, "") for name in STEPS]
    assert set(found["training"]["steps"]) == {"linear regression", "random forest", "registry", "artifacts"}
    assert [one["bytes"] for one in found["training"]["artifacts"]] == [4096, MIB, 32 * MIB]
    assert found["load"]["total"]["requests"] > 50 and found["load"]["total"]["failures"] == 0
    assert found["fault"]["survived"] is True
    assert found["size"]["bytes"] > 100 * MIB
    servers = found["load"]["servers"]
    assert len(servers) == (2 if target == "compose_multi_az" else 1)
    for server in servers:
        assert server["measured"], server
        assert server["memory_peak_bytes"] > 50 * MIB and server["cpu_seconds"] > 0
        assert (server["database_connections_peak"] or 0) > 0 or target == "local"


def test_a_target_that_cannot_be_deployed_is_reported_and_the_walk_goes_on(benchmark: Benchmark) -> None:
    assert benchmark.played.code != 0
    assert "3 of 4 targets went through. broken failed at deploy: " in benchmark.played.message
    assert "mlops-test.local/nothing:none" in benchmark.played.message
    taken = {stage["name"]: stage["ok"] for stage in benchmark.report["broken"]["stages"]}
    assert taken == {"deploy": False, "destroy": True, "left behind": True}
    assert list(benchmark.report) == ["local", "broken", "compose_single_az", "compose_multi_az"]


def test_nothing_is_left_but_the_reports_and_the_client(benchmark: Benchmark) -> None:
    assert benchmark.after == benchmark.before
    assert _processes(benchmark.folder) == []
    left = {path.name for path in benchmark.folder.iterdir()}
    assert left == {*benchmark.report, "client", "benchmark.html", "benchmark.md", "benchmark.json", "benchmark.svg"}


def test_the_report_is_one_page_that_loads_nothing_and_names_every_target(benchmark: Benchmark) -> None:
    page = (benchmark.folder / "benchmark.html").read_text()
    assert not re.search(r"\b(src|href)=|url\(|@import", page)
    assert all(f">{name}</th>" in page for name in benchmark.report)
    assert all(f"log_metric · {name}" in page for name in GOOD)


def test_the_example_of_the_documentation_writes_the_report_anew(benchmark: Benchmark) -> None:
    places = {"/srv/mlflow-benchmark": str(benchmark.folder), "compose_local": "compose_multi_az"}
    [(name, task)] = examples.at("benchmark", places).items()
    before = benchmark.report
    for file in benchmark.folder.glob("benchmark.*"):
        file.unlink()
    assert run_play([task]).succeeded().of(name)["failed_targets"] == []
    assert benchmark.report == {target: before[target] for target in ("local", "compose_multi_az")}


def _inventory(target: str) -> str:
    return str(REPOSITORY / "inventories" / target)


def _processes(folder: Path) -> list[int]:
    """All that name the folder in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(folder) in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue  # ended meanwhile
    return found
