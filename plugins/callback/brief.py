# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: brief
type: stdout
short_description: What changed, what was said, what failed
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - One line for each task that changed something, messages as they are written, failures in full. What was skipped,
    included or left as it was is not shown; on a terminal the running task is.
  - With C(-v) it is the default callback.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in configuration
"""

import sys
from typing import Any

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import printable

_MESSAGES = ("ansible.builtin.debug", "debug", "ansible.builtin.assert", "assert", "ansible.builtin.fail", "fail")
_CLEAR = "\r\033[K"


def _task(result: Any) -> Any:
    return getattr(result, "task", None) or result._task  # its name until ansible-core 2.19


def _result(result: Any) -> dict[str, Any]:
    return dict(getattr(result, "result", None) or result._result)


def _host(result: Any) -> str:
    return str((getattr(result, "host", None) or result._host).get_name())


class CallbackModule(Default):
    CALLBACK_NAME = "mlops.mlflow.brief"

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        self._brief = self._display.verbosity == 0
        self._shows_progress = self._brief and sys.stdout.isatty()
        if self._brief:
            # Each task's title is then held back until something is to be shown of it.
            for option in ("display_ok_hosts", "display_skipped_hosts"):
                self.set_option(option, False)

    def _task_start(self, task: Any, prefix: str | None = None) -> None:
        super()._task_start(task, prefix)
        if self._shows_progress:
            sys.stdout.write(f"{_CLEAR}{task.get_name().strip().rpartition(' : ')[2][:100]} ...")
            sys.stdout.flush()

    def _line(self, text: str, color: str | None = None) -> None:
        if self._shows_progress:
            sys.stdout.write(_CLEAR)
        self._display.display("\n".join(map(printable, text.expandtabs().split("\n"))), color=color)

    def _said(self, result: Any) -> list[str]:
        """The message of a task that is there to say something, line by line."""
        task, message = _task(result), _result(result).get("msg")
        if (
            task.action not in _MESSAGES
            or message is None
            or (task.action.endswith("assert") and task.args.get("quiet"))
        ):
            return []
        return _lines(message)

    def v2_runner_on_ok(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_on_ok(result)
            return
        said = [] if _task(result).loop else self._said(result)
        if said:
            self._line(f"\n[{_host(result)}] {_name(result)}", constants.COLOR_OK)
            for line in said:
                self._line(line)
        elif _result(result).get("changed") and not _is_include(result):
            self._warn(result)
            self._line(f"changed: [{_host(result)}] {_name(result)}", constants.COLOR_CHANGED)
        else:
            self._warn(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_item_on_ok(result)
            return
        for line in self._said(result):
            self._line(line)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        task, message = _task(result), _result(result).get("msg")
        if not self._brief or ignore_errors or task.action not in _MESSAGES or not message:
            if self._shows_progress:
                self._line("")
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._line(f"\nfailed: [{_host(result)}] {_name(result)}", constants.COLOR_ERROR)
        for line in _lines(message):
            self._line(line, constants.COLOR_ERROR)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if not self._brief:
            super().v2_playbook_on_include(included_file)

    def _warn(self, result: Any) -> None:
        if handle := getattr(self, "_handle_warnings_and_exception", None):
            handle(result)
        else:
            self._handle_warnings(_result(result))


def _name(result: Any) -> str:
    return str(_task(result).get_name().strip().rpartition(" : ")[2])


def _lines(message: Any) -> list[str]:
    return [str(line) for line in message] if isinstance(message, list) else str(message).splitlines()


def _is_include(result: Any) -> bool:
    return str(_task(result).action).rpartition(".")[2].startswith(("include", "import"))
