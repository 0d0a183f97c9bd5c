"""What a module says of itself."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml

# A result with such a key changes what Ansible does with the task or the host.
RESERVED = {
    "failed",
    "skipped",
    "unreachable",
    "ignored",
    "ansible_facts",
    "add_host",
    "add_group",
    "results",
    "retries",
}


def documented(module: Path) -> dict[str, Any]:
    """What it says that it returns."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "RETURN":
            return dict(yaml.safe_load(ast.literal_eval(node.value)))
    raise AssertionError(f"{module.name} documents no RETURN")
