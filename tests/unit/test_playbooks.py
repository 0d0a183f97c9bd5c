"""Day-2 playbooks work with the inventory of any platform, or say before that they do not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
PLATFORMS = ("host", "compose", "kubernetes")
BY_PLATFORM = re.compile(r"tasks/(\w+)_\{\{ mlflow_platform \| default\('host'\) }}\.yml")
PARTS = sorted({part for file in PLAYBOOKS.glob("*.yml") for part in BY_PLATFORM.findall(file.read_text())})


def in_order(file: str) -> list[str]:
    """What the tasks of a file do, and of its blocks."""

    def walk(tasks: list[dict[str, Any]]) -> list[str]:
        found = []
        for task in tasks:
            found += [f"{key} {task.get('check_mode', '')}".strip() for key in task if key.startswith("mlops.mlflow.")]
            found += [
                str(value) for name, value in (task.get("vars") or {}).items() if name.startswith("mlflow_server_")
            ]
            for part in ("block", "rescue", "always"):
                found += walk(task.get(part) or [])
        return found

    return walk(yaml.safe_load((PLAYBOOKS / "tasks" / file).read_text()))


def test_an_image_that_cannot_restore_is_found_before_servers_are_stopped() -> None:
    order = in_order("restore.yml")
    assert order.index("mlops.mlflow.mlflow_restore True") < order.index("stopped")


def test_an_upgrade_looks_with_the_new_version_and_at_the_snapshot_before_servers_are_stopped() -> None:
    assert in_order("upgrade_plan.yml")[0] == "inspect"
    before = in_order("upgrade.yml")
    assert "stopped" not in before[: before.index("mlops.mlflow.mlflow_restore True") + 1]


def test_there_are_parts_that_differ_by_platform() -> None:
    assert {"fault", "summary"} <= set(PARTS)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("part", PARTS)
def test_each_platform_has_its_tasks(part: str, platform: str) -> None:
    assert (PLAYBOOKS / "tasks" / f"{part}_{platform}.yml").exists()
