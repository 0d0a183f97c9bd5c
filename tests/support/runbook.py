"""docs/runbook.md as tests read it: a section for each alert, and the commands in it."""

from __future__ import annotations

import re

from .playbooks import REPOSITORY

PAGE = REPOSITORY / "docs" / "runbook.md"


def sections() -> dict[str, str]:
    """What stands below the name of each alert."""
    parts = re.split(r"^### (\w+)\n+", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def commands(text: str) -> list[str]:
    """The lines of its blocks of commands."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]
