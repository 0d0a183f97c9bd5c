"""What modules return must not mean something else to Ansible."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.playbooks import REPOSITORY

MODULES = sorted((REPOSITORY / "plugins" / "modules").glob("*.py"))
# A result with such a key changes what Ansible does with the task or the host.
RESERVED = {
    "failed",
    "skipped",
    "unreachable",
    "ignored",
    "ansible_facts",
    "add_host",
    "add_group",
    "results",
    "retries",
}


def documented(module: Path) -> dict[str, Any]:
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "RETURN":
            return dict(yaml.safe_load(ast.literal_eval(node.value)))
    raise AssertionError(f"{module.name} documents no RETURN")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_no_returned_key_is_one_that_ansible_reads(module: Path) -> None:
    assert RESERVED & set(documented(module)) == set()


def test_a_look_at_a_process_returns_what_is_documented_and_nothing_that_ansible_reads(tmp_path: Path) -> None:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import inspect

    found = inspect.gather(str(tmp_path)).as_dict()
    assert set(found) == set(documented(REPOSITORY / "plugins/modules/mlflow_process_info.py"))
    assert RESERVED & set(found) == set()
