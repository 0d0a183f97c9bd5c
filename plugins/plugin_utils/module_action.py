# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How every module of this collection is run: C(meta/runtime.yml) sends each here, or to a class that extends it."""

from __future__ import annotations

import contextlib
import ctypes
import signal
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mlops.mlflow.plugins.plugin_utils.command import called

_SET_SIGNAL_OF_PARENTS_DEATH = 1
_MESSAGES = ("msg", "refused")


class ModuleAction(ActionBase):
    """The module ends with its playbook, what its messages advise can be typed, and of several lines each is one."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        end_with_playbook()
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        result |= self.carry_out(dict(self._task.args), task_vars or {}, wrap_async)
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        how = called(task_vars or {})
        said = {name: how.typed(result[name]) for name in _MESSAGES if isinstance(result.get(name), str)}
        return result | {name: text.splitlines() if "\n" in text else text for name, text in said.items()}

    def carry_out(self, arguments: dict[str, Any], task_vars: dict[str, Any], wrap_async: bool) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async)
        return done


def end_with_playbook() -> None:
    """A playbook that is killed can tell nobody, and the processes of its tasks would finish what they do: the kernel
    tells them (Linux), as Ansible does when it is interrupted."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENTS_DEATH, signal.SIGTERM)
