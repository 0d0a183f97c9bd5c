"""The module mlflow_fleet: what it passes on, and what it returns."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import overrides
from ansible_collections.mlops.mlflow.plugins.modules import mlflow_fleet
from support.documentation import documented
from support.fleet_cluster import SAMPLE, SERVICES, Api, objects
from support.playbooks import REPOSITORY


class Module:
    """As Ansible hands over a module's options."""

    def __init__(self, *, check_mode: bool = False, **params: Any) -> None:
        defaults = {
            "count": 0, "pattern": "", "instances": [], "limit": 1000, "confirmed_count": 0, "timeout": 60.0,
            "wait_timeout": 5.0, "prune": False, "prune_data": False, "concurrency": 4, "progress_file": None,
            "wave": 0, "wave_failures": 0, "accept_other_data": False, "storage_classes": [], "volumes_each": 1000,
        }  # fmt: skip
        place = {"name": "tenants", "namespace": "tenants", "sample": SAMPLE, "objects": objects()}
        self.params = {**defaults, **place, **params}
        self.check_mode, self._diff = check_mode, True


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    found = Api()
    monkeypatch.setattr(mlflow_fleet, "cluster_of", lambda _module: found.cluster)
    return found


def test_it_returns_what_is_documented(api: Api) -> None:
    done = mlflow_fleet.deploy(Module(count=2, pattern="t-#"))
    assert set(done) - {"changed", "diff"} == set(documented(REPOSITORY / "plugins/modules/mlflow_fleet.py"))
    assert done["diff"] == {"before": "", "after": "t-1\nt-2\n"}
    assert api.names(SERVICES) == ["t-1", "t-2"]


def test_check_mode_changes_nothing(api: Api) -> None:
    assert mlflow_fleet.deploy(Module(check_mode=True, count=2, pattern="t-#"))["created"] == ["t-1", "t-2"]
    assert api.changes == []


def test_progress_is_written_to_its_file(api: Api, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress._EVERY_SECONDS", 0.0)
    file = tmp_path / "progress"
    mlflow_fleet.deploy(Module(count=3, pattern="t-#", progress_file=str(file)))
    lines = file.read_text().splitlines()
    assert any(line.endswith("3 of 3 instances applied") for line in lines)
    assert lines[-1].endswith("3 of 3 instances ready")


def test_waves_are_passed_on_and_told(api: Api, tmp_path: Any) -> None:
    file = tmp_path / "progress"
    mlflow_fleet.deploy(Module(count=3, pattern="t-#", wave=2, progress_file=str(file)))
    lines = file.read_text().splitlines()
    assert [line.partition("wave ")[2] for line in lines] == ["1 of 2: t-1 to t-2", "2 of 2: t-3 to t-3"]


def test_what_an_instance_may_have_of_its_own_is_offered_and_carried_out() -> None:
    offered = set(mlflow_fleet.OF_INSTANCES) - {"name", "labels", "annotations"}
    assert offered == set(overrides._PLACES)
