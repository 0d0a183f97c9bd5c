"""mlflow-ops: what a container prints, and what a role reads out of its log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import ops
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError


def test_the_last_line_is_the_result_behind_the_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    status = ops.main(["health", "--url", "http://127.0.0.1:9", "--level", "live"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert status == 1
    assert json.loads(last.removeprefix(ops.PREFIX))["healthy"] is False


def test_a_role_finds_the_result_among_other_lines() -> None:
    log = f'warning: old\n{ops.PREFIX}{{"n": 1}}\n{ops.PREFIX}{{"n": 2}}\n2026 INFO on stderr, flushed late\n'
    assert ops.result_of(log) == {"n": 2}


def test_a_command_that_died_is_reported_with_the_end_of_its_log() -> None:
    with pytest.raises(EngineError, match=r"without a result.*Killed"):
        ops.result_of("starting\nKilled\n")


def test_an_error_is_one_sentence_and_the_exit_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert ops.main(["schema", "--uri", "postgresql://mlflow@db/mlflow"]) == 1
    assert "names no driver" in ops.result_of(capsys.readouterr().out)["msg"]


def test_secrets_are_taken_from_the_environment_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "kept-to-itself")
    ops.main(["info", "--url", "http://127.0.0.1:9"])
    with pytest.raises(SystemExit):
        ops.main(["info", "--password", "x"])
    assert "kept-to-itself" not in "".join(capsys.readouterr())


def test_exec_becomes_the_server_of_the_launch_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Became(Exception):
        """A process that became another one does not come back."""

    def start(launch_file: Path) -> None:
        raise Became(launch_file)

    monkeypatch.setattr(ops.starter, "start", start)
    with pytest.raises(Became, match=r"launch\.json"):
        ops.main(["exec", str(tmp_path / "launch.json")])
