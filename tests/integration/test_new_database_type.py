"""A new kind of database takes the files that docs/architecture.md lists, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import deployment as deployments
from support import playbooks
from support.architecture import files_for
from support.clones import copy_to
from support.environments import Environments
from support.files import sqlite_rows
from support.host.deployment import Deployment

ROW = "kind of database"
ENGINE = "plugins/module_utils/_engine/database"
ROLE = "roles/mlflow_database/tasks"

CLASS = '''
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from .sqlite import SQLite


class ToySQLite(SQLite):
    """SQLite under another scheme, which notes that its schema was changed by it."""

    kind: ClassVar[str] = "sqlite+pysqlite"
    schemes: ClassVar[tuple[str, ...]] = ("sqlite+pysqlite",)

    @contextmanager
    def changing(self) -> Iterator[None]:
        with super().changing():
            Path(f"{self.path}.toy").write_text("the toy made the schema")
            yield
'''
CONNECTION = """---
- name: Report how the toy is reached
  ansible.builtin.set_fact:
    mlflow_database_connection:
      type: toy_sqlite
      uri: "sqlite+pysqlite:///{{ mlflow_database_dir }}/toy.db"
"""
HOST = """---
- name: Create the folder of the toy
  ansible.builtin.include_role:
    name: mlops.mlflow.host_prerequisites
    tasks_from: folders
  vars:
    host_prerequisites_user: "{{ mlflow_database_user }}"
    host_prerequisites_data: ["{{ mlflow_database_dir }}"]
"""


def registered(kinds: str) -> str:
    """The registry with one kind more."""
    for old, new in (
        ("from .sqlite import SQLite\n", "from .sqlite import SQLite\nfrom .toy_sqlite import ToySQLite\n"),
        ("(SQLite, PostgreSQL, CrateDB)", "(SQLite, PostgreSQL, CrateDB, ToySQLite)"),
    ):
        assert kinds.count(old) == 1
        kinds = kinds.replace(old, new)
    return kinds


def listed() -> set[str]:
    """The files that the architecture page lists for a kind of database, with the toy's name, on a host."""
    return {file.replace("mariadb", "toy_sqlite").replace("<platform>", "host") for file in files_for(ROW)}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This collection with the toy in it."""
    folder = tmp_path_factory.mktemp("collection")
    copy_to(folder, leave_out=("tests/", "benchmarks/"))
    new = {
        f"{ENGINE}/toy_sqlite.py": CLASS,
        f"{ENGINE}/kinds.py": registered((folder / ENGINE / "kinds.py").read_text()),
        f"{ROLE}/toy_sqlite/connection.yml": CONNECTION,
        f"{ROLE}/toy_sqlite/host.yml": HOST,
    }
    assert set(new) == listed(), "docs/architecture.md says which files a new kind takes"
    for name, text in new.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def toy(copy: Path, environments: Environments) -> Iterator[Deployment]:
    deployment = Deployment(environments, "light", mlflow_database_type="toy_sqlite")
    with pytest.MonkeyPatch.context() as patched:
        for module in (playbooks, deployments):
            patched.setattr(module, "REPOSITORY", copy)
        try:
            deployment.deploy().succeeded()
            yield deployment
        finally:
            deployment.remove()


def test_a_deployment_with_the_new_kind_is_healthy(toy: Deployment) -> None:
    toy.wait_until_healthy()
    assert (toy.data / "database/toy.db.toy").read_text() == "the toy made the schema"
    assert sqlite_rows(toy.data / "database/toy.db")["experiments"] >= 1
    health = toy.play("health", mlflow_health_level="full").succeeded()
    assert "healthy at level full" in health.of("Report the verdict")["msg"]


def test_a_second_deployment_changes_nothing(toy: Deployment) -> None:
    assert toy.deploy().succeeded().stats["changed"] == 0


def test_the_new_kind_is_backed_up_and_proven_and_restored_as_what_it_is(toy: Deployment) -> None:
    snapshot = toy.play("backup").succeeded().of("Write a snapshot")["snapshot"]
    assert snapshot["databases"]["tracking"]["kind"] == "sqlite+pysqlite"
    before = sqlite_rows(toy.data / "database/toy.db")
    toy.play("drill").succeeded()
    toy.play("restore", mlflow_restore="true").succeeded()
    toy.wait_until_healthy()
    assert sqlite_rows(toy.data / "database/toy.db") == before
