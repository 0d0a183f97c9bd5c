"""What unit tests share: what the roles render is rendered once, until something of it changes."""

from __future__ import annotations

import gc
import hashlib
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.cache import alone
from support.playbooks import REPOSITORY
from support.rendered import compose as rendered_compose
from support.rendered import launch as rendered_launch
from support.rendered import manifests, surveys

CACHE = REPOSITORY / ".cache" / "rendered"
# Files that take long come first: at the end, one process would work on one of them alone.
FIRST = ("rendered_manifests", "rendered_compose", "surveys", "fleet_role", "snapshot_mutations", "golden", "snapshot")
Once = Callable[[Callable[[Path], None]], Path]
# All that decides what is rendered.
SOURCES = ("inventories", "playbooks", "plugins", "roles")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    # Thousands of tests and what they imported, which stay to the end, are not looked through for what may go.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def state() -> str:
    """Changes with everything that decides what is rendered, but for the tests' own cases."""
    digest = hashlib.sha256(repr((sys.executable, sys.version, version("ansible-core"), Path.home())).encode())
    for folder in SOURCES:
        for file in sorted(path for path in (REPOSITORY / folder).rglob("*") if path.is_file()):
            if file.suffix != ".pyc":
                digest.update(str(file).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def once(state: str) -> Once:
    """Calls a function with an empty folder, once for all processes and all runs of the same state; returns the folder.

    A folder that is not of this state is removed.
    """

    def folder_of(make: Callable[[Path], None]) -> Path:
        place = CACHE / make.__module__
        made, complete = place / "made", place / "complete"
        key = state + hashlib.sha256(Path(sys.modules[make.__module__].__file__ or "").read_bytes()).hexdigest()
        with alone(place):
            if not complete.exists() or complete.read_text() != key:
                complete.unlink(missing_ok=True)
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                make(made)
                complete.write_text(key)
        return made

    return folder_of


@pytest.fixture(scope="session")
def deployments(once: Once) -> dict[str, manifests.Deployment]:
    return manifests.read(once(manifests.render))


@pytest.fixture(scope="session")
def rendered(once: Once) -> dict[str, rendered_compose.Rendered]:
    return rendered_compose.read(once(rendered_compose.render))


@pytest.fixture(scope="session")
def launches(once: Once) -> dict[str, dict[str, dict[str, Any]]]:
    return rendered_launch.read(once(rendered_launch.render))


@pytest.fixture(scope="session")
def surveyed(once: Once) -> dict[str, dict[str, dict[str, str]]]:
    return surveys.read(once(surveys.render))
