"""What all tests share: the marker of the long variants, and the pinned MLflow."""

from __future__ import annotations

import pytest
from support.environments import Environments


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in (config.getoption("markexpr") or ""):
        return
    not_asked = pytest.mark.skip(reason="a long variant; run it with: pytest -m soak")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(not_asked)


@pytest.fixture(scope="session")
def environments() -> Environments:
    """The pinned MLflow as the role installs it; kept between test runs."""
    return Environments()
