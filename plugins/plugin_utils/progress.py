# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all action plugins share that show how far a long module is: a module can say nothing before it ends.

The module writes lines to a file of its host, which is read meanwhile. It runs as any other: who ends the playbook ends
it, and nothing goes on in the background.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import printable
from ansible_collections.mlops.mlflow.plugins.plugin_utils.module_action import ModuleAction

_POLL_SECONDS = 2.0


class ProgressAction(ModuleAction):
    def carry_out(self, arguments: dict[str, Any], task_vars: dict[str, Any], wrap_async: bool) -> dict[str, Any]:
        arguments, path = self.followed(arguments)
        if self._task.check_mode or wrap_async or not path:
            return super().carry_out(dict(self._task.args), task_vars, wrap_async)
        follower = Follower(
            lambda: self._text(path), lambda line: self._display.display(f"  {printable(line)}", color="bright gray")
        )
        with follower if self._readable_meanwhile() else follower.at_the_end():
            return super().carry_out(arguments, task_vars, wrap_async)

    def followed(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The module's arguments, and the file that it writes its progress to with them; empty for none."""
        path = arguments.get("progress_file")
        if not path:
            folder = self._connection._shell.tmpdir or self._make_tmp_path()
            path = os.path.join(str(folder), "progress")
        return {**arguments, "progress_file": path}, str(path)

    def _readable_meanwhile(self) -> bool:
        """Not while a password is asked for: both commands would listen to the same question."""
        become = self._connection.become
        return not (become and become.get_option("become_pass", playcontext=self._play_context))

    def _text(self, path: str) -> str:
        done = self._low_level_execute_command(f"cat {shlex.quote(path)} 2>/dev/null || true")
        return str(done.get("stdout", ""))


class Follower:
    """Shows the complete lines of a growing text, each once.

    :param read: returns the text so far; empty while there is none.
    """

    def __init__(self, read: Callable[[], str], show: Callable[[str], None]) -> None:
        self._read, self._show = read, show
        self._shown = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = threading.Thread(target=self._follow, daemon=True)

    def at_the_end(self) -> Follower:
        """The same, without looking before the work has ended."""
        self._thread = None
        return self

    def __enter__(self) -> None:
        if self._thread:
            self._thread.start()

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()
        self._poll()

    def _follow(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._poll()

    def _poll(self) -> None:
        lines = [line.rstrip("\r") for line in self._read().split("\n")[:-1]]
        for line in lines[self._shown :]:
            self._show(line)
        self._shown = max(self._shown, len(lines))
