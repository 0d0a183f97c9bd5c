"""Trial: the server of a launch where no client finds it. Stand-ins here; real servers in test_upgrade.py."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import trial
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.health import Wanted
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import starter
from support.intents import computed, option
from support.processes import has_ended, until

STARTER = str(Path(starter.__file__))
SERVER = Server("https://mlflow.example.com:5000/mlflow", validate_certs=False)


def launch_of(code: str) -> dict[str, Any]:
    return {"argv": [sys.executable, "-c", code], "env": {}, "secrets": {}, "jobs": None}


@pytest.mark.parametrize("profile", ["light", "throughput", "full"])
def test_it_listens_on_loopback_whatever_the_launch_says_and_starts_no_jobs(profile: str) -> None:
    started = computed(profile=profile, host="0.0.0.0", port=5000)
    moved = trial.moved(started.as_dict(), 4711)
    assert moved["jobs"] is None
    assert "0.0.0.0" not in moved["argv"] and "5000" not in " ".join(moved["argv"])
    assert ("127.0.0.1:4711" in moved["argv"]) or option(computed(), "--host") in moved["argv"]
    assert moved["env"] == started.env


def test_a_server_that_ends_at_once_is_not_waited_for_and_its_log_is_told() -> None:
    code = "import sys; print('no such application'); sys.exit(3)"
    began = time.monotonic()
    with pytest.raises(ServerError, match=r"(?s)It ended with 3.*no such application"):
        trial.run(launch_of(code), STARTER, SERVER, Wanted("live"), seconds=30)
    assert time.monotonic() - began < 15


def test_a_server_that_never_answers_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import subprocess, sys, time; "
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"open({str(child)!r}, 'w').write(str(child.pid)); time.sleep(600)"
    )
    with pytest.raises(ServerError, match="unhealthy"):
        trial.run(launch_of(code), STARTER, SERVER, Wanted("live"), seconds=2)
    # What was killed needs a processor once more to end, and the machine may be busy.
    until(lambda: has_ended(int(child.read_text())), "what the server had started was left behind", seconds=10)
