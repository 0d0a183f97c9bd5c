"""Runs ansible-playbook as a user does, and reads what each task said."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL_HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
# The program of users, and one that does the same in a quarter of the time: without_forks.py says how.
ANSIBLE_PLAYBOOK = (str(Path(sys.executable).parent / "ansible-playbook"),)
WITHOUT_FORKS = (sys.executable, "-P", str(REPOSITORY / "tests" / "support" / "without_forks.py"))


@dataclass(frozen=True)
class PlayResult:
    """One run: C(results) holds (task name, what it returned), C(output) all that was printed.

    C(times) holds (task name, when it began, when it ended) in the order of the tasks, in UTC.
    """

    code: int
    results: list[tuple[str, dict[str, Any]]]
    stats: dict[str, int]
    output: str
    times: list[tuple[str, str, str]] = field(default_factory=list)

    def succeeded(self) -> PlayResult:
        assert self.code == 0, f"ansible-playbook ended with {self.code}: {self.message or self.output[-3000:]}"
        assert self.stats.get("ok"), "the play did nothing"
        return self

    @property
    def failures(self) -> list[dict[str, Any]]:
        return [result for _name, result in self.results if result.get("failed")]

    @property
    def message(self) -> str:
        """The error that a user reads last; of a loop, that of the first item."""
        if not self.failures:
            return ""
        last = self.failures[-1]
        return str(next((one for one in last.get("results") or [] if one.get("failed")), last).get("msg", ""))

    def of(self, task: str) -> dict[str, Any]:
        found = [result for name, result in self.results if name.endswith(task)]
        assert found, f"no task {task} ran; these did: {[name for name, _result in self.results]}"
        return found[-1]


def run_playbook(
    playbook: Path,
    inventory: Path,
    variables: Mapping[str, Any] | None = None,
    *options: str,
    program: Sequence[str] = ANSIBLE_PLAYBOOK,
    timeout: float = 600,
) -> PlayResult:
    """
    :param timeout: seconds of one task, however many there are: a busy machine takes long over a whole playbook.
    """
    command = [*program, "-i", str(inventory), str(playbook), *options]
    if variables:
        command += ["-e", json.dumps(variables)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MLFLOW_"))}
    environment |= {
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
    }
    done = until_stuck(command, environment, timeout)
    output = done.stdout + done.stderr
    report = report_in(done.stdout)
    if report is None:
        raise AssertionError(f"ansible-playbook ended with {done.returncode} and no report:\n{output[-3000:]}")
    results = [
        (task["task"]["name"], _as_shown(result))
        for play in report["plays"]
        for task in play["tasks"]
        for result in task["hosts"].values()
    ]
    times = [
        (task["task"]["name"], task["task"]["duration"]["start"], task["task"]["duration"].get("end", ""))
        for play in report["plays"]
        for task in play["tasks"]
    ]
    return PlayResult(done.returncode, results, next(iter(report["stats"].values()), {}), output, times)


def until_stuck(command: list[str], environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """
    :raises AssertionError: one task took too long; its name is in the message. What was started is killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        running, printed, errors = (Path(folder, name) for name in ("task", "printed", "errors"))
        running.write_text("none yet\n")
        with (
            printed.open("w") as out,
            errors.open("w") as err,
            subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**environment, **telling(running)},
                stdout=out,
                stderr=err,
                start_new_session=True,
            ) as playbook,
        ):
            try:
                while playbook.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        playbook.wait(1.0)
                    stuck = time.time() - running.stat().st_mtime > timeout
                    assert not stuck, (
                        f"for {timeout:.0f} s no task ended; running: {running.read_text().splitlines()[-1]}"
                    )
            finally:
                if playbook.returncode is None:
                    os.killpg(playbook.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(command, playbook.returncode, printed.read_text(), errors.read_text())


def telling(running: Path) -> dict[str, str]:
    """With which ansible-playbook writes the name of each task that begins into a file."""
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
        "ANSIBLE_CALLBACKS_ENABLED": "running_task",
        "MLOPS_TEST_RUNNING_TASK": str(running),
    }


def report_in(printed: str) -> dict[str, Any] | None:
    """What the callback prints at the end; before it there may be lines of long tasks, which may look like JSON too."""
    for start in re.finditer(r"^\{", printed, re.MULTILINE):
        with contextlib.suppress(ValueError):
            found = json.JSONDecoder().raw_decode(printed[start.start() :])[0]
            if isinstance(found.get("plays"), list) and isinstance(found.get("stats"), dict):
                return dict(found)
    return None


def _as_shown(result: dict[str, Any]) -> dict[str, Any]:
    """A message of several lines is a list; people see lines."""
    lines = result.get("msg")
    if not isinstance(lines, list) or any(isinstance(line, (dict, list)) for line in lines):
        return result
    return {**result, "msg": "\n".join(map(str, lines))}


def screen_of(playbook: Path, inventory: Path, variables: Mapping[str, Any], folder: Path, *options: str) -> str:
    """All that a user sees of a run that succeeds. What is requested comes from a file, as from a vault."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps(variables))
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            str(inventory),
            *options,
            f"-e@{settings}",
            str(playbook),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def run_play(
    tasks: list[dict[str, Any]],
    *options: str,
    variables: Mapping[str, Any] | None = None,
    program: Sequence[str] = ANSIBLE_PLAYBOOK,
    timeout: float = 600,
) -> PlayResult:
    """Run these tasks on this machine. JSON is YAML, so no file has to be laid out by hand."""
    play = {"name": "Test", "hosts": "mlflow", "gather_facts": False, "tasks": tasks}
    with tempfile.TemporaryDirectory() as folder:
        playbook, inventory = Path(folder, "play.yml"), Path(folder, "hosts.yml")
        playbook.write_text(json.dumps([play]))
        inventory.write_text(json.dumps({"mlflow": {"hosts": {"local": LOCAL_HOST}}}))
        return run_playbook(playbook, inventory, variables, *options, program=program, timeout=timeout)


def run_module(
    module: str, arguments: Mapping[str, Any], *options: str, interpreter: Path | None = None
) -> dict[str, Any]:
    """Run one module of the collection as Ansible runs it; returns its result, failed or not."""
    task: dict[str, Any] = {"name": "run", f"mlops.mlflow.{module}": dict(arguments)}
    if interpreter:
        task["vars"] = {"ansible_python_interpreter": str(interpreter)}
    return run_play([task], *options).of("run")
