# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module of the same name in the background of the host, and shows its progress meanwhile.

A module can say nothing before it ends, and a load test takes minutes.
"""

from __future__ import annotations

import os
import shlex
import time
from typing import Any

from ansible.plugins.action import ActionBase

# What looking, cleaning up and reporting may take beyond the load itself.
_PATIENCE_SECONDS = 1800
_LOOK_SECONDS = 2.0


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    MODULE = "mlops.mlflow.mlflow_load_test"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        folder = self._task.args.get("report_dir")
        if self._task.check_mode or not folder:  # without a folder the module says what is missing
            return result | self._execute_module(self.MODULE, task_vars=task_vars)
        progress = os.path.join(str(folder), "progress.txt")
        # An earlier test's progress is not this one's.
        self._low_level_execute_command(f"rm -f {shlex.quote(progress)}")
        before = self._task.async_val
        self._task.async_val = int(float(self._task.args.get("run_time") or 60)) + _PATIENCE_SECONDS
        try:
            job = self._execute_module(self.MODULE, task_vars=task_vars, wrap_async=True)
            if "ansible_job_id" not in job:
                return result | job
            found = self._wait(job, progress, task_vars)
        finally:
            self._task.async_val = before
        # What belongs to the background job and not to the load test.
        for key in ("ansible_job_id", "started", "finished", "results_file", "stdout", "stderr", "stdout_lines",
                    "stderr_lines"):  # fmt: skip
            found.pop(key, None)
        return result | found

    def _wait(self, job: dict[str, Any], progress: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        place = {"jid": job["ansible_job_id"], "_async_dir": os.path.dirname(job["results_file"])}
        shown, silent = 0, 0.0
        while True:
            time.sleep(_LOOK_SECONDS)
            lines = self._lines(progress)
            for line in lines[shown:]:
                self._display.display(f"  {line}", color="bright gray")
            silent = 0.0 if len(lines) > shown else silent + _LOOK_SECONDS
            shown = max(len(lines), shown)
            # Looking costs the host a new Python each time, so only when something may have ended.
            if shown == 0 or silent >= 5 * _LOOK_SECONDS or "cleaning up" in "".join(lines[-2:]):
                status = self._execute_module("ansible.legacy.async_status", module_args=place, task_vars=task_vars)
                if status.get("finished"):
                    for line in self._lines(progress)[shown:]:
                        self._display.display(f"  {line}", color="bright gray")
                    place["mode"] = "cleanup"
                    self._execute_module("ansible.legacy.async_status", module_args=place, task_vars=task_vars)
                    return dict(status)

    def _lines(self, path: str) -> list[str]:
        """Complete lines of the file; none while it is not there."""
        said = self._low_level_execute_command(f"cat {shlex.quote(path)} 2>/dev/null || true").get("stdout", "")
        return [line.rstrip("\r") for line in str(said).split("\n")[:-1]]
