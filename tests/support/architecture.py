"""The table of docs/architecture.md that says where a new thing goes."""

from __future__ import annotations

import re

from .playbooks import REPOSITORY


def files_for(new: str) -> list[str]:
    """The files and patterns that the table lists for something new, with what stands in braces written out.

    :param new: how its row begins.
    """
    page = (REPOSITORY / "docs/architecture.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith(f"| {new}")]
    assert len(rows) == 1, f"{len(rows)} rows begin with {new}"
    return [path for span in re.findall(r"`([^`]+)`", rows[0][2]) for path in _alternatives(span)]


def _alternatives(span: str) -> list[str]:
    match = re.fullmatch(r"([^{]*)\{([^}]*)\}(.*)", span)
    if not match:
        return [span]
    return [path for one in match[2].split(",") for path in _alternatives(match[1] + one + match[3])]
