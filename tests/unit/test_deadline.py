"""Who says how long an operation may take is obeyed, also where it runs in the module's own process."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import deadline, operations, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent


def takes_long(*_asked: Any) -> dict[str, Any]:
    time.sleep(20)
    return {}


def test_an_operation_of_a_module_without_a_runner_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "run", takes_long)
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"^gc did not end within 1 s, and was ended\.$"):
        _runner.here(protocol.Request("gc", deadline=0.6), silent)
    assert time.monotonic() - began < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_ends_in_time_is_not_disturbed_afterwards() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with deadline.kept(protocol.Request("gc", deadline=0.2)):
        pass
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) is before


def test_operations_in_threads_of_a_module_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a load test and of experiments do, of which several are at once."""
    monkeypatch.setattr(operations, "run", lambda *_asked: {"done": True})
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_runner.here, protocol.Request("gc", deadline=5), silent).result() == {"done": True}


def test_operations_run_nowhere_without_it() -> None:
    plugins = Path(_runner.__file__).parents[1]
    calls = [path.name for path in sorted(plugins.rglob("*.py")) if "operations.run(" in path.read_text()]
    assert calls == ["cli.py", "_runner.py"]
