#!/usr/bin/env python3
"""Writes into docs/architecture.md which files name or transform four values: tools/ways.py [--check]

Each row of the section "Where a value goes" begins with the value and a regular expression; the files that contain it
are filled in. What a role documents of itself (meta, README) is left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
ROW = re.compile(r"^- \*\*(?P<what>[^*]+)\*\*, `(?P<pattern>[^`]+)`: .*$", re.MULTILINE)
LEFT_OUT = (":!*README.md", ":!*/meta/*")


def files(pattern: str) -> list[str]:
    """Files of the collection that contain a regular expression."""
    command = ["git", "grep", "-lE", pattern, "--", "inventories", "playbooks", "roles", "plugins", *LEFT_OUT]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def complete(text: str) -> str:
    def row(found: re.Match[str]) -> str:
        listed = ", ".join(f"`{name}`" for name in files(found["pattern"]))
        return f"- **{found['what']}**, `{found['pattern']}`: {listed}"

    return ROW.sub(row, text)


def main(arguments: list[str]) -> int:
    text = PAGE.read_text()
    if "--check" not in arguments:
        PAGE.write_text(complete(text))
    elif complete(text) != text:
        print("docs/architecture.md does not name the files that a value goes through: run make readmes.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
