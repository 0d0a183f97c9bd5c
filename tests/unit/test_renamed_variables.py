"""A variable by its old name is refused with the new one, by playbooks and by roles that are used alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import renamed
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_play, run_playbook

DEFAULTS = {
    name: value
    for file in (REPOSITORY / "roles").glob("*/defaults/main.yml")
    for name, value in yaml.safe_load(file.read_text()).items()
}
# Roles with a variable, or a value, that was renamed.
ROLES = sorted(
    {role.name for role in (REPOSITORY / "roles").iterdir() for old in renamed.VARIABLES if old.startswith(role.name)}
    | {name.removesuffix("_platform") for name in renamed.VALUES if name != "mlflow_platform"}
    | {"cluster_prerequisites"}
)


@pytest.mark.parametrize(("old", "new"), renamed.VARIABLES.items())
def test_the_new_name_is_a_variable_and_the_old_one_is_none(old: str, new: str) -> None:
    assert new in DEFAULTS and old not in DEFAULTS
    assert renamed.errors({old: "x"}) == [f"{old} is now called {new}."]


def test_an_old_value_is_named_with_the_new_one_and_others_are_left_alone() -> None:
    assert renamed.errors({"mlflow_platform": "process"}) == [
        "The value process of mlflow_platform is now called host."
    ]
    assert renamed.errors({"mlflow_platform": "host", "mlflow_server_port": 5000, "mine": "process"}) == []


def test_a_playbook_refuses_an_old_name_before_it_does_anything(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.json"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"mlflow": {"hosts": {"local": {**local, "mlflow_server_front_run_as": "99"}}}}))
    told = {"mlflow_data_dir": str(tmp_path / "data"), "mlflow_platform": "process"}
    refused = run_playbook(REPOSITORY / "playbooks/deploy.yml", inventory, told, program=WITHOUT_FORKS)
    assert refused.code != 0
    assert refused.message == (
        "mlflow_server_front_run_as is now called mlflow_server_load_balancer_run_as. "
        "The value process of mlflow_platform is now called host."
    )
    assert not (tmp_path / "data").exists()


def test_roles_that_are_used_alone_refuse_it_as_well(tmp_path: Path) -> None:
    def attempt(role: str) -> dict[str, Any]:
        included = {"ansible.builtin.include_role": {"name": f"mlops.mlflow.{role}"}}
        said = {"ansible.builtin.set_fact": {"said": "{{ said + [ansible_failed_result.msg] }}"}}
        return {"name": role, "block": [included], "rescue": [said]}

    tasks: list[dict[str, Any]] = [
        {"name": "Begin", "ansible.builtin.set_fact": {"said": []}},
        *(attempt(role) for role in ROLES),
        {"name": "Say", "ansible.builtin.debug": {"msg": {"said": "{{ said }}"}}},
    ]
    told = {"cluster_prerequisites_create_namespace": True, "mlflow_data_dir": str(tmp_path)}
    shown = run_play(tasks, variables=told, program=WITHOUT_FORKS)
    sentence = renamed.REMOVED["cluster_prerequisites_create_namespace"]
    assert len(ROLES) == 6
    assert shown.succeeded().of("Say")["msg"]["said"] == [sentence] * len(ROLES)
