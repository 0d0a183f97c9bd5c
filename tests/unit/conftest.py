"""What unit tests share: what the roles render is rendered once, whichever process needs it first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rendered as manifests
import rendered_compose
import rendered_launch
from support.cache import alone

Once = Callable[[Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Calls a function with an empty folder once for all processes of a test run, and returns the folder."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(make: Callable[[Path], None]) -> Path:
        place = shared / make.__module__
        made, complete = place / "made", place / "complete"
        with alone(place):
            if not complete.exists():
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                make(made)
                complete.touch()
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
