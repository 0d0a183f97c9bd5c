"""What long modules say while they work reaches people, each line once, and while it is news."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._module import logging_to
from ansible_collections.mlops.mlflow.plugins.plugin_utils import progress

PLUGINS = Path(__file__).parents[2] / "plugins"
MODULES = {
    "backup": "mlflow_backup",
    "each": "mlflow_fleet_operation",
    "experiment": "mlflow_experiments",
    "gc": "mlflow_gc",
    "restore": "mlflow_restore",
    "schema": "mlflow_schema",
    "tune": "mlflow_tune",
}
# They take seconds, or only look; people see the task.
QUIET = {"trial", "backup-info"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.01)


def test_every_long_operation_that_changes_data_shows_its_progress() -> None:
    assert {name for name, one in protocol.OPERATIONS.items() if one.long} == set(MODULES) | QUIET
    routed = yaml.safe_load((PLUGINS.parent / "meta" / "runtime.yml").read_text())["plugin_routing"]["modules"]
    for module in MODULES.values():
        action = routed.get(module, {}).get("action_plugin", f"mlops.mlflow.{module}").rpartition(".")[2]
        plugin = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.action.{action}")
        assert issubclass(plugin.ActionModule, progress.ProgressAction)
        assert "- mlops.mlflow.progress\n" in (PLUGINS / f"modules/{module}.py").read_text()


def test_lines_are_shown_while_the_work_goes_on_and_the_rest_at_its_end(tmp_path: Path) -> None:
    file, shown, seen = tmp_path / "progress", [], threading.Event()

    def show(line: str) -> None:
        shown.append(line)
        seen.set()

    with progress.Follower(lambda: file.read_text() if file.exists() else "", show):
        file.write_text("first\nhalf of the sec")
        assert seen.wait(30), "nothing was shown while the work went on"
        assert shown == ["first"]
        file.write_text("first\nhalf of the second\nlast\n")
    assert shown == ["first", "half of the second", "last"]


def test_without_looking_meanwhile_all_is_shown_at_the_end() -> None:
    shown: list[str] = []
    with progress.Follower(lambda: "one\ntwo\n", shown.append).at_the_end():
        assert shown == []
    assert shown == ["one", "two"]


def test_a_progress_that_cannot_be_written_ends_no_work(tmp_path: Path) -> None:
    logging_to(str(tmp_path / "none" / "progress"))("still at work")
    logging_to(str(tmp_path / "progress"))("\rstill at work")
    assert (tmp_path / "progress").read_text().endswith(" still at work\n")
