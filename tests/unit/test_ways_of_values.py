"""docs/architecture.md names the files that four values go through, and there are no others."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
ROWS = re.findall(r"^- \*\*([^*]+)\*\*, `([^`]+)`: (.*)$", PAGE, re.MULTILINE)


def test_four_values_are_followed() -> None:
    assert [what for what, _pattern, _files in ROWS] == [
        "port",
        "database password",
        "setting of a backup",
        "failed health check",
    ]


@pytest.mark.parametrize(("what", "pattern", "files"), ROWS, ids=[row[0] for row in ROWS])
def test_no_other_file_names_the_value(what: str, pattern: str, files: str) -> None:
    listed = re.findall(r"`([^`]+)`", files)
    places = ["inventories", "playbooks", "roles", "plugins", ":!*README.md", ":!*/meta/*"]
    found = subprocess.run(
        ["git", "grep", "-lE", pattern, "--", *places], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert sorted(listed) == sorted(found.stdout.split()), f"the way of {what} changed: make readmes"
    assert len(listed) > 3


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("port", "roles/mlflow_server/defaults/main.yml"),
        ("port", "plugins/module_utils/_engine/server/plan/kubernetes.py"),
        ("database password", "plugins/modules/mlflow_schema.py"),
        ("setting of a backup", "roles/mlflow_backup/defaults/main.yml"),
        ("failed health check", "plugins/module_utils/_engine/server/reports.py"),
    ],
)
def test_the_pattern_of_a_value_finds_where_it_has_another_name(what: str, place: str) -> None:
    assert f"`{place}`" in next(files for name, _pattern, files in ROWS if name == what)
