"""The program that deploys for tests: a module runs in a copy of it where that is the same, and as ever elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import WITHOUT_FORKS, run_play


def program_of_a_module(**options: Any) -> str:
    """The command line of the process that a module runs in."""
    task = {"name": "look", "ansible.builtin.shell": "ps -ww -o command= -p $PPID", **options}
    said: str = run_play([task], program=WITHOUT_FORKS).succeeded().of("look")["stdout"]
    return said


def test_a_module_runs_in_a_copy_of_the_program() -> None:
    assert "without_forks.py" in program_of_a_module()


@pytest.mark.parametrize("way", ["another Python", "in the background"])
def test_a_module_that_would_run_otherwise_runs_as_ever(way: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    other: dict[str, Any] = {"vars": {"ansible_python_interpreter": str(python)}}
    if way == "in the background":
        # Of another home than that of the account, Ansible looks for the job in the one and writes it into the other.
        other = {"async": 60, "poll": 1, "vars": {"ansible_async_dir": str(tmp_path)}}
    assert "without_forks.py" not in program_of_a_module(**other)
