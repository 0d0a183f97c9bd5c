"""The dashboards that are shipped are those that tools/dashboards.py writes, and read only series that there are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.dashboards import config_maps
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support import dashboards
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_play


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboards")
    subprocess.run([sys.executable, REPOSITORY / "tools" / "dashboards.py", folder], check=True)
    return folder


def test_the_dashboards_are_what_the_tool_writes(made: Path) -> None:
    assert sorted(file.stem for file in made.iterdir()) == sorted(dashboards.NAMES)
    for file in made.iterdir():
        assert file.read_text() == (dashboards.FOLDER / file.name).read_text(), "run make readmes"


@pytest.mark.parametrize("name", dashboards.NAMES)
def test_a_dashboard_offers_a_source_a_namespace_and_a_deployment(name: str) -> None:
    found = dashboards.read(name)
    assert [one["name"] for one in found["templating"]["list"]] == ["datasource", "namespace", "deployment"]
    assert found["uid"] == f"mlops-mlflow-{name}" and "id" not in found
    titles = [panel["title"] for panel in found["panels"]]
    assert len(set(titles)) == len(titles) > 5


@pytest.mark.parametrize("name", dashboards.NAMES)
def test_panels_lie_beside_each_other_and_never_on_each_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboards.read(name)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _y in cells) < 24 and not cells & taken
        taken |= cells


@pytest.mark.parametrize("name", dashboards.NAMES)
def test_every_query_selects_by_both_variables(name: str) -> None:
    for query in dashboards.queries(name):
        selectors = re.findall(r"(?:mlflow_\w+|:\w+|ALERTS)\{([^}]*)\}", query.expression)
        assert selectors
        assert all('deployment=~"$deployment",namespace=~"$namespace"' in one for one in selectors)
        assert "OF" not in query.expression


def test_what_a_panel_reads_of_the_rules_is_recorded_by_them() -> None:
    recorded = {rule["record"] for group in rules_file({})["groups"] for rule in group["rules"] if "record" in rule}
    read = {
        name
        for one in dashboards.NAMES
        for query in dashboards.queries(one)
        for name in re.findall(r"deployment:[\w:]+", query.expression)
    }
    assert read and read <= recorded


def test_the_sidecar_finds_each_dashboard_by_its_label_and_puts_it_into_a_folder() -> None:
    asked = "{{ query('ansible.builtin.fileglob', folder ~ '/*.json') | mlops.mlflow.grafana_dashboards('team') }}"
    tasks = [{"name": "say", "ansible.builtin.debug": {"msg": asked}}]
    found = run_play(tasks, variables={"folder": str(dashboards.FOLDER)}, program=WITHOUT_FORKS).of("say")["msg"]
    assert [one["metadata"]["name"] for one in found] == [f"team-dashboard-{name}" for name in sorted(dashboards.NAMES)]
    for one in found:
        assert one["metadata"]["labels"] == {"grafana_dashboard": "1"}
        assert one["metadata"]["annotations"] == {"grafana_folder": "MLflow"}
        ((file, text),) = one["data"].items()
        name = file.removeprefix("mlflow-").removesuffix(".json")
        # Far below the MiB that a ConfigMap takes.
        assert json.loads(text) == dashboards.read(name) and len(text) < 50_000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "Team A"}, "'Team A' cannot be part of the name"),
        ({"dashboards": {"../x": "{}"}}, "'../x' cannot be part of the name"),
        ({"label": "a label"}, "'a label' is no label of Kubernetes"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        config_maps(**{"dashboards": {"server": "{}"}, "name": "team", **given})


def test_a_dashboard_that_cannot_be_read_is_named() -> None:
    asked = "{{ ['/nowhere/server.json'] | mlops.mlflow.grafana_dashboards('team') }}"
    result = run_play([{"name": "say", "ansible.builtin.debug": {"msg": asked}}], program=WITHOUT_FORKS)
    assert "The dashboard /nowhere/server.json cannot be read: No such file" in result.message
