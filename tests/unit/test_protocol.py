"""Requests and results: what is asked of an operation, what is taken for its answer, and what ends it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _runner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import http, operations, programs, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import (
    BadInput,
    EngineError,
    NotDeployed,
    ServerError,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host.runner import HostRunner
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import silent
from support.loopback import serve, status
from support.processes import has_ended, until

REPOSITORY = Path(__file__).parents[2]
ENGINE = "from ansible_collections.mlops.mlflow.plugins.module_utils._engine.cli import main; raise SystemExit(main())"
ANSWER = protocol.PREFIX + '{"interface": "2.0", "id": "ID", "healthy": true}'


def ops(*arguments: str, line: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": os.defpath}
    command = [sys.executable, "-c", ENGINE, *arguments]
    return subprocess.run(
        command, input=line, env=env, capture_output=True, text=True, check=False, timeout=60, **options
    )


def test_a_request_says_the_same_after_its_way() -> None:
    request = protocol.Request("health", {"level": "deep"}, True, 30.0, {"username": "u", "password": "p"})
    assert protocol.Request.parse(request.line()) == request
    assert request.line().count("\n") == 1
    assert "password" not in repr(request)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"operation": "fly"}, "no operation 'fly'"),
        ({"options": {"wings": 2}}, "health has no option wings"),
        ({"protocol": 9}, "of protocol 9; this image serves 1, 2"),
        ({"deadline": "soon"}, "deadline must be a number, and is 'soon'"),
        ({"deadline": float("nan")}, "deadline must be a number"),
        ({"deadline": float("inf")}, "deadline must be a number"),
        ({"deadline": -1}, "deadline is -1; it must be at least 0"),
        ({"protocol": float("inf")}, "protocol must be a whole number"),
        ({"protocol": 2.9}, "protocol must be a whole number"),
        ({"options": 3}, "not one line of JSON"),
    ],
)
def test_a_request_that_nobody_understands_is_refused_with_the_reason(changed: dict[str, Any], words: str) -> None:
    said = {**json.loads(protocol.Request("health").line()), **changed}
    with pytest.raises(BadInput, match=words):
        protocol.Request.parse(json.dumps(said))


@pytest.mark.parametrize(
    "log",
    [
        ANSWER.replace("ID", "mine"),
        f"{ANSWER.replace('ID', 'mine')}\n{ANSWER.replace('ID', 'another')}",
        f"{ANSWER.replace('ID', 'mine')}\n{protocol.PREFIX}5\n{protocol.PREFIX}[]",
        f"{ANSWER.replace('ID', 'mine')}\n{protocol.PREFIX}{{cut",
    ],
    ids=["alone", "a line of another request", "lines that are no results", "a line that is cut off"],
)
def test_only_the_line_that_repeats_the_request_is_its_result(log: str) -> None:
    assert protocol.result_of(log, "mine") == {"healthy": True}


def test_a_result_of_another_request_is_none() -> None:
    with pytest.raises(EngineError, match="without a result"):
        protocol.result_of(ANSWER.replace("ID", "another"), "mine")


def test_a_refusal_also_repeats_the_id_of_what_it_refuses() -> None:
    """Else who asked would take it for log, and not know that the image is of another protocol."""
    for changed, words in (({"protocol": 9}, "of protocol 9"), ({"operation": "fly"}, "built anew with the playbook")):
        request = protocol.Request("health")
        line = json.dumps({**json.loads(request.line()), **changed}) + "\n"
        found = protocol.result_of(ops("run", line=line).stdout, request.id)
        assert found["failed"] and words in found["msg"]


def test_what_is_too_deep_to_be_read_is_one_sentence_and_no_result() -> None:
    deep = "[" * 100_000
    assert protocol.id_of(deep) == ""
    with pytest.raises(BadInput, match="not one line of JSON"):
        protocol.Request.parse(deep)
    with pytest.raises(EngineError, match="ended without a result"):
        protocol.result_of(protocol.PREFIX + deep, "mine")
    answer = http.Response(200, deep.encode(), 0.1)
    assert answer.excerpt().startswith("[[[")
    with pytest.raises(ServerError, match="is not JSON"):
        answer.json()


def test_an_image_from_before_there_were_requests_is_refused_with_the_remedy() -> None:
    log = "usage: mlflow-ops COMMAND\nmlflow-ops: error: argument COMMAND: invalid choice: 'run' (choose from exec)"
    with pytest.raises(EngineError, match=r"knows no requests, this collection speaks interface .* playbook images"):
        protocol.result_of(log, "mine")


def test_every_operation_of_the_table_has_its_function() -> None:
    assert set(operations._FUNCTIONS) == set(protocol.OPERATIONS)


def test_a_request_on_standard_input_is_answered_with_its_id() -> None:
    request = protocol.Request("health", {"url": "http://127.0.0.1:9", "level": "live"})
    done = ops("run", line=request.line())
    assert done.returncode == 1
    found = protocol.result_of(done.stdout, request.id)
    assert found["healthy"] is False and "Nothing accepts connections" in found["msg"]


def test_a_request_that_is_too_long_or_no_request_is_one_sentence() -> None:
    for line, words in (("x" * (protocol.LONGEST_REQUEST + 2), "more than"), ("{}\n", "not one line of JSON")):
        found = protocol.result_of(ops("run", line=line).stdout)
        assert found["failed"] and words in found["msg"]


def test_an_operation_ends_itself_at_its_deadline() -> None:
    options = {"url": "http://127.0.0.1:9", "wait_timeout": 600, "wait_sleep": 0.1}
    request = protocol.Request("health", options, deadline=0.5)
    found = protocol.result_of(ops("run", line=request.line()).stdout, request.id)
    assert found == {"failed": True, "msg": "health did not end within 0 s, and was ended."}


def test_an_operation_ends_when_who_asked_is_gone() -> None:
    options = {"url": "http://127.0.0.1:9", "wait_timeout": 600, "wait_sleep": 0.1}
    # Standard input is closed behind the line, as it is when the other end dies.
    found = protocol.result_of(ops("run", "--while-connected", line=protocol.Request("health", options).line()).stdout)
    assert found["msg"] == "health was told to end before it had."


def test_an_operation_whose_asker_says_nothing_any_more_ends_and_one_that_hears_a_word_goes_on(tmp_path: Path) -> None:
    options = {"url": "http://127.0.0.1:9", "wait_timeout": 600, "wait_sleep": 0.1}
    file = tmp_path / "request"
    file.write_text(protocol.Request("health", options).line())
    command = [sys.executable, "-c", ENGINE, "run", f"--request={file}", "--while-connected=2"]
    env = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": os.defpath}
    started = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdin and started.stdout
    end = time.monotonic() + 5
    while time.monotonic() < end:
        started.stdin.write("\n")
        started.stdin.flush()
        time.sleep(0.3)
        assert started.poll() is None, "it ended although it was asked all the time"
    assert protocol.result_of(started.stdout.read())["msg"] == "health was told to end before it had."
    started.stdin.close()
    assert started.wait(10) == 1


@pytest.fixture
def runner(tmp_path: Path) -> HostRunner:
    (tmp_path / "launch.json").write_text(json.dumps({"argv": [sys.executable], "env": {}}))
    return HostRunner("mlflow", str(tmp_path))


def test_a_host_runs_an_operation_with_the_interpreter_of_the_deployed_server(runner: HostRunner) -> None:
    with serve(status(200)) as server:
        found = runner.run(protocol.Request("health", {"url": server.url, "level": "live"}), silent)
    assert found["healthy"] is True and found["level"] == "live"


def test_where_nothing_is_deployed_one_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotDeployed, match="No MLflow server is deployed in"):
        HostRunner("mlflow", str(tmp_path)).run(protocol.Request("info"), silent)
    with pytest.raises(NotDeployed, match="There is no Python at /nowhere/python"):
        HostRunner("mlflow", str(tmp_path), "/nowhere/python").run(protocol.Request("info"), silent)


class Module:
    """A module with the runner of a deployment that was removed with its secrets."""

    check_mode = False

    def __init__(self, **runner: Any) -> None:
        self.params = {"runner": {**runner, "name": "mlflow", "options": {"password_file": "/nowhere/password"}}}


@pytest.mark.parametrize(
    ("runner", "words"),
    [
        ({"type": "compose", "project": "/nowhere/compose.yaml"}, "There is no compose file /nowhere/compose.yaml"),
        ({"type": "host", "directory": "/nowhere"}, "No MLflow server is deployed in /nowhere"),
        ({"type": "host", "directory": "/", "python": "/nowhere/python"}, "There is no Python at /nowhere/python"),
    ],
)
def test_a_deployment_that_is_gone_is_what_is_said_not_that_its_password_is(runner: Any, words: str) -> None:
    with pytest.raises(NotDeployed, match=words):
        _runner.in_deployment(Module(**runner), "health", {})


def test_the_deployers_environment_decides_nothing(
    runner: HostRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = tmp_path / "shown"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {shown}\n")
    python.chmod(0o755)
    for name in ("MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "DOCKER_HOST"):
        monkeypatch.setenv(name, "not-theirs")
    with pytest.raises(EngineError, match="without a result"):
        dataclasses.replace(runner, python=str(python)).run(protocol.Request("info"), silent)
    assert "HOME=" in shown.read_text() and "not-theirs" not in shown.read_text()


@pytest.mark.parametrize("given", ["", "intranet.example.com"])
def test_what_is_on_this_host_is_asked_through_no_proxy(
    runner: HostRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Any client of the smoke run would ask the proxy for a server on loopback."""
    shown = tmp_path / "shown"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {shown}\n")
    python.chmod(0o755)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, given)
    with pytest.raises(EngineError, match="without a result"):
        dataclasses.replace(runner, python=str(python)).run(protocol.Request("smoke"), silent)
    bypassed = {line.partition("=")[0]: line.partition("=")[2].split(",") for line in shown.read_text().splitlines()}
    for name in ("NO_PROXY", "no_proxy"):
        assert {"127.0.0.1", "localhost", "::1", *filter(None, [given])} == set(bypassed[name])


CHILD = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, file=sys.stderr); p.wait()"


def test_nothing_of_a_program_that_takes_too_long_runs_on() -> None:
    said: list[str] = []
    with pytest.raises(programs.TimedOut):
        programs.ask([sys.executable, "-u", "-c", CHILD], "\n", seconds=3, say=said.append)
    grandchild = int(said[0])
    until(lambda: has_ended(grandchild), "what it started runs on")


def test_nothing_of_a_program_runs_on_when_we_are_interrupted() -> None:
    code = (
        "import sys\nfrom ansible_collections.mlops.mlflow.plugins.module_utils._engine import programs\n"
        f"programs.ask([sys.executable, '-u', '-c', {CHILD!r}], '\\n', seconds=600, "
        "say=lambda text: print(text, flush=True))"
    )
    env = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": os.defpath}
    asking = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env, text=True)
    assert asking.stdout
    grandchild = int(asking.stdout.readline())
    asking.send_signal(signal.SIGINT)
    asking.wait(60)
    until(lambda: has_ended(grandchild), "what it started runs on")


def test_progress_comes_line_by_line_while_the_program_runs() -> None:
    code = "import sys, time\nfor n in range(3): print(n, file=sys.stderr, flush=True); time.sleep(0.05)\nprint('end')"
    heard: list[tuple[str, float]] = []
    said = programs.ask(
        [sys.executable, "-c", code], "\n", seconds=60, say=lambda text: heard.append((text, time.monotonic()))
    )
    assert [text for text, _when in heard] == ["0", "1", "2"] and said.splitlines()[-1] == "end"
