"""What all tests share: the marker of the long variants, the end of the time they have, and the pinned MLflow."""

from __future__ import annotations

import os
import time

import pytest
from support.environments import Environments


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/unit/golden anew instead of comparing")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in (config.getoption("markexpr") or ""):
        return
    not_asked = pytest.mark.skip(reason="a long variant; run it with: pytest -m soak")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(not_asked)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """CI ends at a fixed time: what would begin after TESTS_UNTIL (seconds since 1970) is named as not run."""
    until = os.environ.get("TESTS_UNTIL")
    if until and time.time() > float(until):
        pytest.skip("NOT RUN: the time of the tests is over")


@pytest.fixture(scope="session")
def environments() -> Environments:
    """The pinned MLflow as the role installs it; kept between test runs."""
    return Environments()
