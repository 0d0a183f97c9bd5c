# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command that a message advises. Where it is written nobody knows how the playbook was called: which inventory,
which limit, which variables. The controller knows, and writes the whole command in its place
(C(plugin_utils/command.py)); read in the log of a container it is still one that a person understands."""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMAND = re.compile(r"ansible-playbook((?: -e \w+=[\w.-]+)*) mlops\.mlflow\.(\w+)")


def command(playbook: str, **variables: str | bool) -> str:
    """:param variables: plain words; what a deployment is told anyway is not among them."""
    said = {name: str(value).lower() if isinstance(value, bool) else value for name, value in variables.items()}
    return " ".join(
        ["ansible-playbook", *(f"-e {name}={value}" for name, value in said.items()), f"mlops.mlflow.{playbook}"]
    )


def commands(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each command in a text: as it stands there, its playbook, its variables."""
    for found in _COMMAND.finditer(text):
        words = found[1].split()[1::2]
        yield found[0], found[2], dict(word.split("=", 1) for word in words)
