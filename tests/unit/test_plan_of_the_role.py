"""The role mlflow_server keeps one plan for a run: never that of other variables, or of less than was seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.playbooks import WITHOUT_FORKS, run_play

ROLE = Path(__file__).parents[2] / "roles" / "mlflow_server"
ENTRY_POINTS = ("connection", "preflight", "main", "service", "upgrade", "remove")
FACT = "__mlflow_server_plan"
OBSERVED = re.findall(r"__mlflow_server_\w+", (ROLE / "vars/main/server.yml").read_text().partition("_plan:")[0])


def plans(task: dict[str, Any]) -> bool:
    return FACT in (task.get("ansible.builtin.set_fact") or {})


def blocks(tasks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Lists of tasks that run one after the other."""
    found = [tasks]
    for task in tasks:
        for part in ("block", "rescue", "always"):
            found += blocks(task[part]) if part in task else []
    return found


def test_what_a_plan_is_made_from_is_known() -> None:
    assert {"__mlflow_server_host", "__mlflow_server_docker", "__mlflow_server_cluster"} < set(OBSERVED)


@pytest.mark.parametrize("path", sorted(ROLE.glob("tasks/**/*.yml")), ids=lambda path: str(path.relative_to(ROLE)))
def test_whoever_has_seen_more_plans_anew(path: Path) -> None:
    for tasks in blocks(yaml.safe_load(path.read_text())):
        for task, following in zip(tasks, [*tasks[1:], {}], strict=True):
            assert task.get("register") not in OBSERVED or plans(following), task["name"]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_point_begins_with_a_plan(name: str) -> None:
    tasks = yaml.safe_load((ROLE / f"tasks/{name}.yml").read_text())
    texts = [yaml.safe_dump(task) for task in tasks]
    first = next(number for number, task in enumerate(tasks) if plans(task))
    assert not any("_mlflow_server_plan" in text or "/{{" in text for text in texts[:first])


def test_a_second_call_with_other_variables_has_another_plan() -> None:
    def call(port: int) -> list[dict[str, Any]]:
        role = {"name": "mlops.mlflow.mlflow_server", "tasks_from": "connection"}
        return [
            {"ansible.builtin.include_role": role, "vars": {"mlflow_server_port": port}},
            {"name": f"port {port}", "ansible.builtin.debug": {"msg": "{{ mlflow_server_connection.port }}"}},
        ]

    variables = {
        "mlflow_server_database": {"type": "sqlite", "uri": "sqlite:////nowhere/mlflow.db"},
        "mlflow_server_artifact_store": {"type": "local", "uri": "/nowhere"},
    }
    run = run_play([*call(5001), *call(5002)], variables=variables, program=WITHOUT_FORKS).succeeded()
    assert [int(run.of(f"port {port}")["msg"]) for port in (5001, 5002)] == [5001, 5002]
