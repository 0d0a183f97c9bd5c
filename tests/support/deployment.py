"""A deployment under test: a target, deployed and operated with the playbooks as a user does it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .playbooks import ANSIBLE_PLAYBOOK, REPOSITORY, WITHOUT_FORKS, PlayResult, run_playbook, screen_of, telling


class Deployment:
    """What is the same on every platform; each adds how it looks at what runs.

    C(variables) are those of every playbook run on it and win over the file C(small), which says what fits on a small
    machine. C(first) is what the first deploy said, C(output) all that Ansible printed, C(program) what runs playbooks.
    """

    small: Path | None = None

    def __init__(self, target: str, variables: dict[str, Any]) -> None:
        self.target, self.variables = target, variables
        self.first: PlayResult | None = None
        self.program: Sequence[str] = WITHOUT_FORKS
        self.output = ""

    @property
    def inventory(self) -> Path:
        return REPOSITORY / "inventories" / self.target

    def deploy(self, *options: str, **variables: Any) -> PlayResult:
        result = self.play(self.target, *options, **variables)
        self.first = self.first or result
        return result

    @contextmanager
    def as_users_do(self) -> Iterator[None]:
        """Playbooks in this block are run by the program of users, which takes four times the time."""
        self.program = ANSIBLE_PLAYBOOK
        try:
            yield
        finally:
            self.program = WITHOUT_FORKS

    def destroy(self, *options: str, **variables: Any) -> PlayResult:
        return self.play("destroy", *options, mlflow_destroy=True, **variables)

    def play(self, playbook: str, *options: str, **variables: Any) -> PlayResult:
        path = REPOSITORY / "playbooks" / f"{playbook}.yml"
        given = {**self.variables, **variables}
        result = run_playbook(path, self.inventory, given, *self._small(), *options, program=self.program)
        self.output += result.output
        return result

    def begin(self, playbook: str, *, output: Path | None = None, **variables: Any) -> subprocess.Popen[bytes]:
        """A playbook that goes on meanwhile, in a process group of its own. C(output) is written anew; beside it, the
        names of its tasks: see C(tasks_of)."""
        command = [*ANSIBLE_PLAYBOOK, "-i", str(self.inventory), *self._small()]
        task = {}
        if output:
            _task_file(output).write_text("")
            task = telling(_task_file(output))
        with open(output or os.devnull, "wb") as shown:
            return subprocess.Popen(
                [*command, "-e", json.dumps(self.variables | variables), f"playbooks/{playbook}.yml"],
                cwd=REPOSITORY,
                env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), **task},
                stdout=shown,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def sql(self, statement: str) -> str:
        """What the superuser gets, within the database's container."""
        raise NotImplementedError

    def set_aside(self) -> list[str]:
        """What restores replaced and left in the database."""
        return [
            name for name in self.sql("SELECT datname FROM pg_database").split() if name.startswith("mlflow_before")
        ]

    def screen(self, folder: Path, *options: str, **variables: Any) -> str:
        """All that a user sees of a deployment."""
        playbook = REPOSITORY / "playbooks" / f"{self.target}.yml"
        return screen_of(playbook, self.inventory, self.variables | variables, folder, *self._small(), *options)

    def _small(self) -> list[str]:
        return [f"-e@{self.small}"] if self.small else []


def _task_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.task")


def tasks_of(output: Path) -> list[str]:
    """The tasks that have begun, of a playbook that was begun with this output, without their roles."""
    return [line.rpartition(" : ")[2] for line in _task_file(output).read_text().splitlines()]
