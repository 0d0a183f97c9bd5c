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
    places = ["inventories", "playbooks", "roles", "plugins", ":!*README.md", ":!*/meta/*", ":!*/defaults/main.yml"]
    found = subprocess.run(
        ["git", "grep", "-lE", pattern, "--", *places], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert sorted(listed) == sorted(found.stdout.split()), f"the way of {what} changed: make readmes"
    assert len(listed) > 3
