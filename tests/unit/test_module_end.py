"""A module for which nobody waits any more ends, and so does the playbook's process of a task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.processes import has_ended, until

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
from ansible_collections.mlops.mlflow.plugins.plugin_utils.progress import end_with_playbook
task = os.fork()
if not task:
    end_with_playbook()
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


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
