"""Day-2 playbooks work with the inventory of any platform, or say before that they do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
PLATFORMS = ("host", "compose", "kubernetes")
BY_PLATFORM = re.compile(r"tasks/(\w+)_\{\{ mlflow_platform \| default\('host'\) }}\.yml")
PARTS = sorted({part for file in PLAYBOOKS.glob("*.yml") for part in BY_PLATFORM.findall(file.read_text())})


def test_there_are_parts_that_differ_by_platform() -> None:
    assert {"fault", "summary"} <= set(PARTS)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("part", PARTS)
def test_each_platform_has_its_tasks(part: str, platform: str) -> None:
    assert (PLAYBOOKS / "tasks" / f"{part}_{platform}.yml").exists()
