"""Tells a test which task runs, by a file: the callback that it reads at the end says nothing before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: running_task
type: notification
short_description: Write the name of each task that begins to a file
description: The file is that of the variable MLOPS_TEST_RUNNING_TASK.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "running_task"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        with Path(os.environ["MLOPS_TEST_RUNNING_TASK"]).open("a") as file:
            file.write(f"{task.get_name()}\n")

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start
