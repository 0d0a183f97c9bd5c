"""The examples of a module's documentation, to be run as they are written."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .playbooks import REPOSITORY

MODULES = REPOSITORY / "plugins" / "modules"


def of(module: str, places: Mapping[str, str]) -> list[dict[str, Any]]:
    """The tasks. C(places): what a name in the documentation, such as C(db.example.com:5432), is here."""
    for node in ast.parse((MODULES / f"{module}.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES":
            text = str(ast.literal_eval(node.value))
            for said, here in sorted(places.items(), key=lambda place: -len(place[0])):
                text = text.replace(said, here)
            return list(yaml.safe_load(text))
    raise AssertionError(f"{module} documents no EXAMPLES")


def modules() -> set[str]:
    return {path.stem for path in Path(MODULES).glob("*.py")}
