"""The tests of the cluster itself take minutes, and start and end it: they run only when they are asked for."""

from __future__ import annotations

import pytest

MARKER = "cluster_itself"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: starts, kills and ends the test cluster; needs root and minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if MARKER in config.getoption("markexpr"):
        return
    not_asked = pytest.mark.skip(reason=f"starts and ends the test cluster; run it with: pytest -m {MARKER}")
    for item in items:
        if item.get_closest_marker(MARKER):
            item.add_marker(not_asked)
