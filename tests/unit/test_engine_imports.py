"""The engine's packages import one way only, as `plugins/module_utils/_engine/__init__.py` says."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "plugins" / "module_utils" / "_engine"
# From left to right; a set's members may not import each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"standalone"}),
    frozenset(
        {"advice", "errors", "http", "secrets", "connection", "names", "progress", "programs", "protocol"}
        | {"quantities", "renamed", "backup_settings", "fingerprint", "proofs"}
    ),
    frozenset({"database", "storage"}),
    frozenset({"host", "compose", "kubernetes"}),
    frozenset({"server"}),
    frozenset({"snapshot", "load"}),
    frozenset({"operations"}),
    frozenset({"cli"}),
)
# What stands directly in the engine's folder is small and general: only there siblings may import each other.
GENERAL = LAYERS[1]
FILES = sorted(ENGINE.rglob("*.py"))


def layer(package: str) -> int:
    return next(number for number, packages in enumerate(LAYERS) if package in packages)


def imported(file: Path) -> set[str]:
    """First parts, below the engine, of what a file imports from the engine."""
    here = file.relative_to(ENGINE).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level + 1], *(node.module.split(".") if node.module else [])]
            found |= {base[0]} if base else {alias.name for alias in node.names}
    return found


def test_every_file_of_the_engine_is_in_a_layer() -> None:
    known = {package for packages in LAYERS for package in packages}
    parts = {file.relative_to(ENGINE).with_suffix("").parts[0] for file in FILES}
    assert len(FILES) > 40
    assert parts - known == {"__init__"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ENGINE)))
def test_no_file_imports_from_the_right_or_from_beside(file: Path) -> None:
    package = file.relative_to(ENGINE).with_suffix("").parts[0]
    if package == "__init__":
        assert not imported(file)
        return
    allowed = {package} if package not in GENERAL else set(GENERAL)
    for packages in LAYERS[1 : layer(package)]:
        allowed |= packages
    # The command line runs the programs that others copy.
    allowed |= {"standalone"} if package == "cli" else set()
    assert imported(file) <= allowed


@pytest.mark.parametrize("file", sorted((ENGINE / "standalone").glob("*.py")), ids=lambda file: file.name)
def test_a_standalone_program_imports_the_standard_library_only(file: Path) -> None:
    modules = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            modules.add(str(node.module).partition(".")[0])
    # The artifact proxy is a plugin of MLflow, and what judges keys runs in MLflow's environment.
    libraries = {"stored_keys.py": {"cryptography", "psycopg", "psycopg2"}}.get(file.name, {"mlflow"})
    assert modules - set(sys.stdlib_module_names) <= libraries
