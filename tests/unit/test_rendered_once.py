"""What is rendered for tests stays until something changes that it was made of."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_play
from support.rendered.once import made

BESIDE_TASKS = "roles/mlflow_database/vars/main/postgresql.yml"


def test_it_is_made_anew_when_its_state_or_code_that_was_read_changes_and_not_before(tmp_path: Path) -> None:
    code, calls = tmp_path / "code.py", []
    code.write_text("1")

    def make(folder: Path) -> None:
        calls.append(folder)
        Path(os.environ["MLOPS_TEST_CODE_READ"]).write_text(f"{code}\n")

    for state, count in ((b"a", 1), (b"a", 1), (b"b", 2), (b"b", 2)):
        made(tmp_path / "place", state, make)
        assert len(calls) == count
    code.write_text("2")
    made(tmp_path / "place", b"b", make)
    assert len(calls) == 3


def test_code_that_a_filter_and_a_module_bring_along_and_files_of_roles_are_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_TEST_CODE_READ", str(tmp_path / "read"))
    tasks = [
        {"name": "filter", "ansible.builtin.debug": {"msg": "{{ '1Gi' | mlops.mlflow.quantity }}"}},
        {"name": "vars", "ansible.builtin.include_vars": {"file": str(REPOSITORY / BESIDE_TASKS)}},
        {"name": "module", "mlops.mlflow.mlflow_info": {"url": "http://127.0.0.1:1"}},
    ]
    run_play(tasks, program=WITHOUT_FORKS)
    read = (tmp_path / "read").read_text()
    for folder, name in (
        ("filter", "quantity"),
        ("module_utils/_engine/kubernetes", "requirements"),
        ("modules", "mlflow_info"),
        ("module_utils", "_runner"),
    ):
        assert re.search(rf"/plugins/{folder}/(__pycache__/)?{name}\.", read), f"{folder}/{name} is not in:\n{read}"
    assert f"/{BESIDE_TASKS}\n" in read
