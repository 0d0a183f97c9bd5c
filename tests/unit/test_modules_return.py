"""What modules return must not mean something else to Ansible."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.documentation import RESERVED, documented
from support.playbooks import REPOSITORY

MODULES = sorted((REPOSITORY / "plugins" / "modules").glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_no_returned_key_is_one_that_ansible_reads(module: Path) -> None:
    assert RESERVED & set(documented(module)) == set()


def test_a_look_at_a_process_returns_what_is_documented_and_nothing_that_ansible_reads(tmp_path: Path) -> None:
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import inspect

    found = inspect.gather(str(tmp_path)).as_dict()
    assert set(found) == set(documented(REPOSITORY / "plugins/modules/mlflow_host_info.py"))
    assert RESERVED & set(found) == set()
