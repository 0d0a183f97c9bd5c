"""component_tasks: the files of a role are its support matrix."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.component_tasks import component_tasks


@pytest.fixture
def role(tmp_path: Path) -> str:
    for file in ("sqlite/host.yml", "external/any.yml", "both/any.yml", "both/host.yml", "kube/kubernetes.yml"):
        path = tmp_path / "mlflow_thing" / "tasks" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(tmp_path / "mlflow_thing")


@pytest.mark.parametrize(
    ("type_", "platform", "file"),
    [
        ("sqlite", "host", "sqlite/host.yml"),
        ("external", "host", "external/any.yml"),
        ("external", "kubernetes", "external/any.yml"),
        ("both", "host", "both/host.yml"),
        ("both", "compose", "both/any.yml"),
    ],
)
def test_a_file_of_its_own_wins_over_the_one_for_any_platform(role: str, type_: str, platform: str, file: str) -> None:
    assert component_tasks(role, type_, platform) == f"{role}/tasks/{file}"


def test_what_is_not_offered_is_refused_with_what_is(role: str) -> None:
    refused = component_tasks(role, "kube", "host")
    assert "mlflow_thing_type 'kube'" in refused
    assert "Offered there: both, external, sqlite." in refused


def test_a_path_is_no_type(role: str) -> None:
    assert "is not offered" in component_tasks(role, "../sqlite", "host")
