"""What unit tests share: what the roles render is rendered once, until something of it changes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import REPOSITORY
from support.rendered import compose as rendered_compose
from support.rendered import fleet_monitoring as rendered_fleet_monitoring
from support.rendered import launch as rendered_launch
from support.rendered import manifests, surveys
from support.rendered.once import digest, made

CACHE = REPOSITORY / ".cache" / "rendered"
# Files that take long come first: at the end, one process would work on one of them alone.
FIRST = (
    *("rendered_manifests", "rendered_compose", "surveys", "fleet_role", "snapshot_mutations", "golden", "snapshot"),
    "monitoring_fleet",
)
Once = Callable[[Callable[[Path], None]], Path]
# With the code and the roles' files that Ansible reads, which is written down, all that decides what is rendered.
SOURCES = ("inventories/**/*", "playbooks/**/*", "roles/*/defaults/**/*", "roles/*/meta/*")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    # Thousands of tests and what they imported, which stay to the end, are not looked through for what may go.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def once() -> Once:
    """Calls a function with an empty folder, once for all processes and all runs of the same state."""
    versions = repr((sys.executable, sys.version, version("ansible-core"), Path.home())).encode()
    state = versions + b"".join(digest(file) for name in SOURCES for file in sorted(REPOSITORY.glob(name)))
    # A file that is new may be found where none was; bytecode comes and goes.
    names = sorted(path for path in (REPOSITORY / "roles").rglob("*") if "__pycache__" not in path.parts)
    state += b"".join(os.fsencode(path) + b"\0" for path in names)

    def folder_of(make: Callable[[Path], None]) -> Path:
        cases = Path(sys.modules[make.__module__].__file__ or "")
        return made(CACHE / make.__module__, state + digest(cases), make)

    return folder_of


@pytest.fixture(scope="session")
def deployments(once: Once) -> dict[str, manifests.Deployment]:
    return manifests.read(once(manifests.render))


@pytest.fixture(scope="session")
def fleet_monitoring(once: Once) -> manifests.Deployment:
    return rendered_fleet_monitoring.read(once(rendered_fleet_monitoring.render))


@pytest.fixture(scope="session")
def rendered(once: Once) -> dict[str, rendered_compose.Rendered]:
    return rendered_compose.read(once(rendered_compose.render))


@pytest.fixture(scope="session")
def launches(once: Once) -> dict[str, dict[str, dict[str, Any]]]:
    return rendered_launch.read(once(rendered_launch.render))


@pytest.fixture(scope="session")
def surveyed(once: Once) -> dict[str, dict[str, dict[str, str]]]:
    return surveys.read(once(surveys.render))
