# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says which playbook of which controller reserves a deployment, and whether the one that holds it is gone.

Only the controller knows either. Of another controller's process nobody can say that it has ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
from typing import Any

from ansible.plugins.action import ActionBase

MODULE = "mlops.mlflow.mlflow_reservation"


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        arguments["holder"] = arguments.get("holder") or holder()
        result |= self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        if result.get("held"):
            result["held"]["ended"] = has_ended(str(result["held"]["holder"]))
            if result["held"]["ended"]:
                result["refused"] = ""
            if result.get("refused"):
                result |= {"failed": True, "msg": result["refused"]}
        return result


def holder() -> str:
    """This playbook. Tasks run in processes of their own, which it has started."""
    playbook = multiprocessing.parent_process()
    return f"{_controller()} process {playbook.pid if playbook else os.getpid()}"


def has_ended(name: str) -> bool:
    """Whether that playbook is gone for sure."""
    controller, _separator, number = name.rpartition(" process ")
    if controller != _controller() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def _controller() -> str:
    """The host; in a container also which, because containers may share the host's name and not its processes."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += f" ({os.readlink('/proc/self/ns/pid')})"
    return name
