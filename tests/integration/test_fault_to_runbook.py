"""From a fault to its end on the target local: the exporter sees it, an alert fires, the runbook's commands help."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from integration.test_exporter import PARTS, Exporter
from support import runbook
from support.host.deployment import Deployment
from support.loopback import serve
from support.playbooks import PlayResult
from support.ports import listeners
from support.processes import until
from support.prometheus import PATIENCE, Receiver, alertmanager, ask, prometheus

pytestmark = pytest.mark.ci

SCOPE = {"deployment": "mlflow"}
COMMANDS = {name: runbook.commands(text) for name, text in runbook.sections().items()}
# What the target local can type, each once.
TYPED = list(dict.fromkeys(line for lines in COMMANDS.values() for line in lines if "inventories/local" in line))


def typed(deployment: Deployment, command: str) -> PlayResult:
    """Run a command of the runbook against this deployment."""
    words = shlex.split(command)
    assert words[:3] == ["ansible-playbook", "-i", "inventories/local"]
    return deployment.play(Path(words[3]).stem, *words[4:])


@pytest.fixture(scope="module")
def watched(laptop: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """The laptop's deployment with its exporter, a Prometheus that scrapes it, and who hears of alerts."""
    folder, heard = tmp_path_factory.mktemp("watched"), Receiver()
    settings = {
        "server": {"url": laptop.url},
        "database": {"uri": f"sqlite:///{laptop.data}/database/mlflow.db"},
        "artifacts": {"artifacts_uri": str(laptop.data / "artifacts")},
        "disks": {"data": str(laptop.data)},
    }
    rules = rules_file({"down_minutes": 0}, SCOPE)
    with (
        Exporter(laptop.interpreter, folder, settings) as exporter,
        serve(heard.hear) as receiver,
        alertmanager(folder, receiver.url) as manager,
    ):
        exporter.until(PARTS)
        where = [{"targets": [f"127.0.0.1:{exporter.port}"], "labels": SCOPE | {"job": "mlflow-ops"}}]
        with prometheus(folder, rules, where, manager, interval="2s") as url:
            until(lambda: ask(url, "mlflow_ops_check_up"), "nothing was scraped", PATIENCE)
            yield heard


def test_a_server_that_is_down_comes_back_by_what_the_runbook_says(laptop: Deployment, watched: Receiver) -> None:
    laptop.supervisorctl("stop", "all")
    try:
        assert listeners(laptop.port) == set()
        told = watched.wait_for("MlflowServerDown", "firing")
        name = told["annotations"]["runbook_url"].partition("#")[2]
        section = next(one for one in COMMANDS if one.lower() == name)
        for command in COMMANDS[section]:
            typed(laptop, command).succeeded()
        watched.wait_for("MlflowServerDown", "resolved")
    finally:
        laptop.supervisorctl("start", "all")
    laptop.wait_until_healthy()


def test_an_artifact_store_that_is_away_is_named_by_what_the_runbook_says(
    laptop: Deployment, watched: Receiver
) -> None:
    folder, kept = laptop.data / "artifacts", laptop.data / "kept"
    folder.rename(kept)
    folder.write_text("a file where the folder was")
    try:
        watched.wait_for("MlflowArtifactStoreFailing", "firing")
        (command,) = COMMANDS["MlflowArtifactStoreFailing"]
        result = typed(laptop, command)
        assert result.code != 0 and "artifacts: " in result.message
    finally:
        folder.unlink()
        kept.rename(folder)
    watched.wait_for("MlflowArtifactStoreFailing", "resolved")


@pytest.mark.parametrize("command", TYPED)
def test_a_command_of_the_runbook_runs(command: str, laptop: Deployment) -> None:
    """Backup before drill, as the page has them; none of them removes anything."""
    typed(laptop, command).succeeded()
    laptop.wait_until_healthy()
