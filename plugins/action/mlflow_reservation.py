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

from ansible_collections.mlops.mlflow.plugins.plugin_utils.module_action import ModuleAction


class ActionModule(ModuleAction):
    def carry_out(self, arguments: dict[str, Any], task_vars: dict[str, Any], wrap_async: bool) -> dict[str, Any]:
        arguments["holder"] = arguments.get("holder") or holder()
        result = super().carry_out(arguments, task_vars, wrap_async)
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
