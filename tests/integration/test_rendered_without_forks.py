"""Unit tests look at what is rendered without forks, which is faster: what ansible-playbook renders is the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from support.playbooks import ANSIBLE_PLAYBOOK, REPOSITORY, WITHOUT_FORKS, PlayResult, run_playbook
from support.rendered import compose, manifests

CHANGES = {
    "kubernetes": manifests.CASES["everything"].variables,
    "compose_multi_az": compose.CASES["everything"][1],
}


def render(target: str, folder: Path, program: Sequence[str]) -> PlayResult:
    shipped = yaml.safe_load((REPOSITORY / f"inventories/{target}/group_vars/mlflow.yml").read_text())
    host = {**shipped, "ansible_connection": "local", "ansible_python_interpreter": sys.executable, **CHANGES[target]}
    folder.mkdir()
    inventory = folder.with_suffix(".json")
    inventory.write_text(json.dumps({"mlflow": {"hosts": {"one": host | {"mlflow_render_dir": str(folder)}}}}))
    return run_playbook(REPOSITORY / f"playbooks/{target}.yml", inventory, program=program).succeeded()


@pytest.mark.parametrize("target", CHANGES)
def test_files_and_tasks_are_the_same(target: str, tmp_path: Path) -> None:
    runs = {
        name: render(target, tmp_path / name, program)
        for name, program in (("user", ANSIBLE_PLAYBOOK), ("fast", WITHOUT_FORKS))
    }
    files = {
        name: {
            str(file.relative_to(tmp_path / name)): file.read_text().replace(str(tmp_path / name), "")
            for file in (tmp_path / name).rglob("*")
            if file.is_file()
        }
        for name in runs
    }
    assert len(files["user"]) > 3 and files["fast"] == files["user"]
    tasks = {
        name: [(task, bool(said.get("changed")), bool(said.get("skipped"))) for task, said in run.results]
        for name, run in runs.items()
    }
    assert len(tasks["user"]) > 50 and tasks["fast"] == tasks["user"]
    assert runs["fast"].stats == runs["user"].stats
