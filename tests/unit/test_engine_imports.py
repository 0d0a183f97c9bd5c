"""The engine's packages import one way only, as `plugins/module_utils/_engine/__init__.py` says."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "plugins" / "module_utils" / "_engine"
FILTERS = ENGINE.parents[1] / "filter"
# From left to right; a set's members may not import each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"standalone"}),
    frozenset(
        {"advice", "errors", "http", "secrets", "connection", "names", "image_names", "paths", "ports", "progress"}
        | {"programs", "protocol", "quantities", "renamed", "backup_settings", "fingerprint", "proofs", "schedule"}
        | {"authorities", "certificates", "trust", "patience", "estimate", "tokens"}
        | {"data_settings", "monitoring_settings", "deadline"}
    ),
    frozenset({"storage"}),
    # One may keep its own snapshots in an object store.
    frozenset({"database"}),
    frozenset({"aws", "azure", "host", "compose", "kubernetes"}),
    frozenset({"server"}),
    frozenset({"snapshot", "load", "fleet", "alerts"}),
    frozenset({"monitoring"}),
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
    # The artifact proxy is a plugin of MLflow, what judges keys or serves it runs in MLflow's environment, and gunicorn
    # asks for its own worker. One more plugin is a package: see the next test.
    others = {
        "stored_keys.py": {"cryptography", "psycopg", "psycopg2"},
        "cratedb_application.py": {"mlflow_cratedb"},
        "transfers.py": {"gunicorn"},
    }
    libraries = others.get(file.name, {"mlflow"})
    assert modules - set(sys.stdlib_module_names) <= libraries


def test_the_fast_store_imports_itself_what_mlflow_brings_and_the_standard_library() -> None:
    files = sorted((ENGINE / "standalone" / "fast_store").glob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1
                named = [] if node.level else [str(node.module)]
            allowed = sys.stdlib_module_names | {"mlflow", "sqlalchemy", "flask"}
            assert {name.partition(".")[0] for name in named} <= allowed, file.name


def test_who_uses_one_filter_does_not_load_all_that_others_need() -> None:
    """Ansible loads the files of all filters for one of them, from their source, in the process of each task."""
    script = f"""
import pathlib, sys
for file in pathlib.Path({str(FILTERS)!r}).glob("*.py"):
    __import__("ansible_collections.mlops.mlflow.plugins.filter." + file.stem)
print(*(module.__file__ for name, module in list(sys.modules.items()) if "._engine." in name), sep="\\n")
"""
    env = {"PYTHONPATH": str(ENGINE.parents[2] / ".dev"), "PATH": os.defpath}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    loaded = {path: len(Path(path).read_text().splitlines()) for path in done.stdout.split()}
    assert len(loaded) > 10 and sum(loaded.values()) < 3050, loaded
