"""A module for which nobody waits any more ends, and so does the playbook's process of a task."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.plugin_utils.module_action import ModuleAction
from support.playbooks import LOCAL_HOST
from support.processes import descendants, has_ended, until

_REPOSITORY = Path(__file__).resolve().parents[2]
_ENVIRONMENT = {"PYTHONPATH": str(_REPOSITORY / ".dev"), "PATH": os.defpath}
_MODULE = """
import json, sys, time
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = b'{"ANSIBLE_MODULE_ARGS": {}}', "legacy"
from ansible_collections.mlops.mlflow.plugins.module_utils import _module
def work(module):
    sys.stderr.write("works\\n")
    sys.stderr.flush()
    time.sleep(float(sys.argv[1]))
    return {"changed": False}
_module.run(basic.AnsibleModule({}), work)
"""
# Who starts a task's process, and dies.
_PLAYBOOK = """
import os, sys, time
from ansible_collections.mlops.mlflow.plugins.plugin_utils.module_action import end_with_playbook
task = os.fork()
if not task:
    end_with_playbook()
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


# Waits for a server that nobody starts, and would do so for ten minutes.
_WAITS: list[dict[str, Any]] = [
    {"name": "wait", "mlops.mlflow.mlflow_health": {"url": "http://127.0.0.1:9", "wait": True, "wait_timeout": 600}},
]


def module(seconds: float) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", _MODULE, str(seconds)],
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr and started.stderr.readline() == "works\n"
    return started


def test_a_module_ends_when_nobody_reads_what_it_will_say() -> None:
    started = module(60)
    assert started.stdout
    started.stdout.close()
    until(lambda: has_ended(started.pid), "it works on, unseen")
    started.wait()


def test_a_module_that_is_waited_for_works_to_its_end() -> None:
    said, _log = module(0.5).communicate(timeout=30)
    assert json.loads(said)["changed"] is False


def test_the_process_of_a_task_ends_with_the_playbook() -> None:
    command = [sys.executable, "-c", _PLAYBOOK]
    with subprocess.Popen(command, env=_ENVIRONMENT, stdout=subprocess.PIPE, text=True) as playbook:
        assert playbook.stdout
        task = int(playbook.stdout.readline())
        playbook.kill()
        until(lambda: has_ended(task), "the task's process works on")


@pytest.mark.parametrize("name", sorted(file.stem for file in _REPOSITORY.glob("plugins/modules/*.py")))
def test_every_module_is_run_by_the_class_that_ends_it_with_its_playbook(name: str) -> None:
    routing = yaml.safe_load((_REPOSITORY / "meta" / "runtime.yml").read_text())["plugin_routing"]["modules"]
    routed = routing.get(name, {}).get("action_plugin", f"mlops.mlflow.{name}")
    action = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.action.{routed.rpartition('.')[2]}")
    assert issubclass(action.ActionModule, ModuleAction)


def test_what_a_killed_playbook_had_started_ends(tmp_path: Path) -> None:
    play = {"name": "Test", "hosts": "mlflow", "gather_facts": False, "tasks": _WAITS}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "hosts.yml").write_text(json.dumps({"mlflow": {"hosts": {"local": LOCAL_HOST}}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "hosts.yml")]
    with subprocess.Popen(
        [*command, str(tmp_path / "play.yml")], cwd=_REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True
    ) as playbook:

        def works() -> list[int]:
            """The module itself, and not the shell before it, nor what put it there."""
            words = {pid: Path(f"/proc/{pid}/cmdline") for pid in descendants(playbook.pid)}
            begun = {pid: file.read_bytes().split(b"\0") for pid, file in words.items() if file.exists()}
            return [pid for pid, said in begun.items() if said[1:] and said[1].endswith(b"/AnsiballZ_mlflow_health.py")]

        until(works, "the module does not begin")
        started = works()
        playbook.kill()
        try:
            until(lambda: all(map(has_ended, started)), "a module whose playbook was killed works on")
        finally:
            for pid in started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
