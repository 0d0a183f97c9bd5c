"""The playbooks health and status, and a change, on a deployment that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.host.deployment import Deployment
from support.ports import listeners


@pytest.fixture
def artifacts_replaced_by_a_file(laptop: Deployment) -> Iterator[None]:
    folder, kept = laptop.data / "artifacts", laptop.data / "kept"
    folder.rename(kept)
    folder.write_text("a file where the folder was")
    try:
        yield
    finally:
        folder.unlink()
        kept.rename(folder)


@pytest.mark.heart
def test_health_changes_nothing_and_says_that_all_is_well(laptop: Deployment) -> None:
    result = laptop.play("health", mlflow_health_level="full").succeeded()
    assert result.stats["changed"] == 0
    assert "healthy at level full" in result.of("Report the verdict")["msg"]
    assert result.stats["skipped"] == 0


@pytest.mark.heart
@pytest.mark.usefixtures("artifacts_replaced_by_a_file")
def test_health_fails_with_the_reason(laptop: Deployment) -> None:
    result = laptop.play("health")
    assert result.code != 0
    assert result.message.startswith("unhealthy at level deep: artifacts: ")


@pytest.mark.heart
def test_status_tells_what_runs(laptop: Deployment) -> None:
    said = str(laptop.play("status").succeeded().of("Show the status")["msg"])
    for words in (laptop.url, "healthy at level ready", f"pid {laptop.group}", "sqlite:///", "Experiments  1"):
        assert words in said


@pytest.mark.ci
def test_status_of_a_stopped_server_does_not_fail(laptop: Deployment) -> None:
    laptop.supervisorctl("stop", "all")
    try:
        assert listeners(laptop.port) == set()
        said = str(laptop.play("status").succeeded().of("Show the status")["msg"])
        assert "Nothing accepts connections" in said and "STOPPED" in said
    finally:
        laptop.supervisorctl("start", "all")
    laptop.wait_until_healthy()


@pytest.mark.heart
def test_restart_ends_in_another_healthy_server_on_the_same_port(laptop: Deployment) -> None:
    before = laptop.group
    assert laptop.play("restart").succeeded().stats["changed"] == 1
    assert laptop.group != before
    assert listeners(laptop.port) == {laptop.group}


@pytest.mark.ci
def test_restart_of_what_was_never_started_says_so(laptop: Deployment) -> None:
    result = laptop.play("restart", mlflow_server_dir=str(laptop.data / "elsewhere"))
    assert result.code != 0
    assert "deploy it, which also starts it" in result.message
