"""What all tests share: the marker of the long variants, how a run that was ended goes on, and the pinned MLflow."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess

import pytest
import yaml
from support.environments import Environments
from support.playbooks import REPOSITORY

# libyaml's, which reads the same ten times as fast.
yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[assignment,misc]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/unit/golden anew instead of comparing")
    parser.addoption("--resume", action="store_true", help="leave out what passed since a file was last changed")


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts tests in the background has interrupts ignored, and what tests interrupt would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests run ansible-playbook as people do who have not typed make, also where make runs the tests.
    os.environ.pop("MLOPS_MLFLOW_RUN_BY", None)
    if config.getoption("resume"):
        config.pluginmanager.register(Resumed(), "resumed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in (config.getoption("markexpr") or ""):
        return
    not_asked = pytest.mark.skip(reason="a long variant; run it with: pytest -m soak")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(not_asked)


class Resumed:
    """Writes down what passed, and leaves it out when the same tests are run again with the same files."""

    def __init__(self) -> None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True).stdout.split(b"\0")
        state = hashlib.sha256()
        for file in (REPOSITORY / os.fsdecode(name) for name in sorted(names) if name):
            state.update(file.read_bytes() if file.is_file() and not file.is_symlink() else b"")
        self.file = REPOSITORY / "build" / "passed" / state.hexdigest()[:16]

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        passed = set(self.file.read_text().splitlines()) if self.file.exists() else set()
        left_out = [item for item in items if item.nodeid in passed]
        if left_out:
            items[:] = [item for item in items if item.nodeid not in passed]
            config.hook.pytest_deselected(items=left_out)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # Each process of xdist reports to the one that started it, which writes.
        if report.when == "call" and report.passed and "PYTEST_XDIST_WORKER" not in os.environ:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a") as file:
                file.write(report.nodeid + "\n")
        # Who runs them for an hour wants to know at once, and not at their end.
        if report.failed:
            print(f"\n{report.longreprtext}", flush=True)


@pytest.fixture(scope="session")
def environments() -> Environments:
    """The pinned MLflow as the role installs it; kept between test runs."""
    return Environments()
