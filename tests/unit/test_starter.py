"""The starter: becomes the server, with its secrets, after it has ended what an earlier start left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import starter
from support.processes import has_ended, until

# The server of these tests writes its environment and then waits, with a child that outlives it.
SERVER = """
import json, os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
seen = {"pid": os.getpid(), "group": os.getpgrp(), "child": child.pid, "env": dict(os.environ)}
open(sys.argv[1] + ".new", "w").write(json.dumps(seen))
os.replace(sys.argv[1] + ".new", sys.argv[1])
time.sleep(300)
"""


class Started:
    def __init__(self, folder: Path, launch: dict[str, Any], environment: dict[str, str] | None = None) -> None:
        self.seen_file = folder / "seen.json"
        self.seen_file.unlink(missing_ok=True)
        launch = {"env": {}, "secrets": {}, "argv": [sys.executable, "-c", SERVER, str(self.seen_file)], **launch}
        (folder / "launch.json").write_text(json.dumps(launch))
        self.process = subprocess.Popen(
            [sys.executable, starter.__file__, str(folder / "launch.json")],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def seen(self) -> dict[str, Any]:
        until(lambda: self.seen_file.exists() or self.process.poll() is not None, "the server did not start")
        assert self.seen_file.exists(), self.error()
        return json.loads(self.seen_file.read_text())

    def error(self) -> str:
        return self.process.communicate(timeout=30)[1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def begin(environment: dict[str, str] | None = None, **launch: Any) -> Started:
        started.append(Started(tmp_path, launch, environment))
        return started[-1]

    yield begin
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.communicate(timeout=30)


def test_it_becomes_the_server_in_a_group_of_its_own(start: Callable[..., Started], tmp_path: Path) -> None:
    started = start()
    seen = started.seen()
    assert seen["pid"] == seen["group"] == started.process.pid
    assert (tmp_path / "launch.group").read_text() == str(started.process.pid)
    assert seen["group"] != os.getpgrp()


def test_its_group_is_noted_where_the_servers_user_may_write(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    code = "import os, time; print(os.getpgrp(), flush=True); time.sleep(300)"
    launch = {"env": {}, "secrets": {}, "argv": [sys.executable, "-c", code]}
    (tmp_path / "launch.json").write_text(json.dumps(launch))
    command = [sys.executable, starter.__file__, str(tmp_path / "launch.json"), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        group = process.stdout.readline().strip()
        os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "run" / "launch.group").read_text() == group == str(process.pid)
    assert not (tmp_path / "launch.group").exists()


def test_secrets_come_from_their_files_and_random_ones_differ_each_time(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("p%a'\"s s\n")
    wanted = {"A": {"file": str(tmp_path / "secret")}, "R": {"random_bytes": 16}}
    first = start(secrets=wanted).seen()["env"]
    second = start(secrets=wanted).seen()["env"]
    assert first["A"] == "p%a'\"s s"
    assert len(first["R"]) == 32 and first["R"] != second["R"]


@pytest.mark.parametrize(
    ("address", "asked"), [("10.244.0.7", "10.244.0.7:5000"), ("fd00::7", "[fd00::7]:5000")], ids=["IPv4", "IPv6"]
)
def test_a_pod_answers_to_its_own_address(
    start: Callable[..., Started], monkeypatch: pytest.MonkeyPatch, address: str, asked: str
) -> None:
    monkeypatch.setenv("POD_IP", address)
    entries = start(env={"MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow,mlflow:*"}).seen()["env"]["MLFLOW_SERVER_ALLOWED_HOSTS"]
    allowed = entries.split(",")
    assert allowed[:2] == ["mlflow", "mlflow:*"]
    # As MLflow compares them.
    assert any(fnmatch(asked, entry) if "*" in entry else asked == entry for entry in allowed)
    assert not any(fnmatch("10.244.0.8:5000", entry) for entry in allowed)


def test_a_secret_that_cannot_be_read_is_named_with_its_file(start: Callable[..., Started], tmp_path: Path) -> None:
    started = start(secrets={"PGPASSWORD": {"file": str(tmp_path / "missing")}})
    error = started.error()
    assert started.process.returncode == 1
    assert f"cannot read the secret PGPASSWORD from {tmp_path / 'missing'}: No such file" in error
    assert "Traceback" not in error


def test_settings_of_the_person_who_deploys_do_not_reach_the_server(start: Callable[..., Started]) -> None:
    theirs = {
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "_MLFLOW_SERVER_FILE_STORE": "x",
        "PYTHONPATH": "/x",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "ANSIBLE_VAULT_PASSWORD_FILE": "/x",
        "GITHUB_TOKEN": "theirs",
        "HTTPS_PROXY": "http://user:password@proxy",
        "LANG": "C",
        "AWS_ROLE_ARN": "of the pod",
    }
    env = start(environment=theirs, env={"MLFLOW_A": "1"}, inherits=["AWS_ROLE_ARN"]).seen()["env"]
    assert env["MLFLOW_A"] == "1" and env["LANG"] == "C" and env["AWS_ROLE_ARN"] == "of the pod"
    # Whatever else the surroundings hold, today or tomorrow.
    assert set(env) <= {*starter._INHERITED, "AWS_ROLE_ARN", "MLFLOW_A"}
    assert not [name for name in starter._INHERITED if name.startswith(("MLFLOW", "PYTHON", "AWS", "LD_"))]
    assert "AWS_ROLE_ARN" not in start(environment=theirs).seen()["env"]


def test_the_server_does_without_the_keys_that_do_not_fit_what_is_stored(start: Callable[..., Started]) -> None:
    says = "import os, sys; print('B'); print(os.environ['A'], sys.argv[1:], file=sys.stderr)"
    started = start(env={"A": "1", "B": "2"}, keys=[sys.executable, "-c", says, "A", "B"])
    env = started.seen()["env"]
    assert env["A"] == "1" and "B" not in env
    failing = start(keys=[sys.executable, "-c", "raise SystemExit('no database')"])
    assert "no database" in failing.error() and failing.process.returncode == 1


def test_what_a_killed_server_left_behind_is_ended_by_the_next_start(start: Callable[..., Started]) -> None:
    killed = start()
    orphan = killed.seen()["child"]
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait(30)
    assert not has_ended(orphan), "the child was to outlive its parent"
    now = start().seen()
    assert has_ended(orphan)
    assert not has_ended(now["child"])


def test_a_group_number_that_now_belongs_to_somebody_else_is_left_alone(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        (tmp_path / "launch.group").write_text(str(stranger.pid))
        start().seen()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(30)


def test_the_job_runner_lives_beside_the_server_and_knows_its_pid(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    note = tmp_path / "runner"
    runner = "import os, sys; open(sys.argv[1], 'w').write(os.environ['MLFLOW_SERVER_PID'] + ' ' + os.environ['UP'])"
    started = start(
        env={"_MLFLOW_HUEY_STORAGE_PATH": str(tmp_path / "jobs")},
        jobs={
            "argv": [sys.executable, "-c", runner, str(note)],
            "env": {"MLFLOW_SERVER_PID": "{pid}", "UP": "{milliseconds}"},
        },
    )
    server = started.seen()["pid"]
    until(lambda: note.exists() and note.read_text(), "the job runner did not start")
    pid, milliseconds = note.read_text().split()
    assert int(pid) == server
    assert abs(int(milliseconds) / 1000 - time.time()) < 300
    assert (tmp_path / "jobs").is_dir()


# A job runner that ends early, after it has started a consumer in a session of its own that heeds no signal.
RUNNER = """
import os, subprocess, sys
consumer = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", consumer], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
open(sys.argv[1], "w").write(str(child.pid))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="others do not hand orphans to an ancestor")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_consumer_outlives_its_server_however_that_ends(
    start: Callable[..., Started], tmp_path: Path, number: signal.Signals
) -> None:
    note = tmp_path / "consumer"
    started = start(
        env={"_MLFLOW_HUEY_STORAGE_PATH": str(tmp_path / "jobs")},
        jobs={"argv": [sys.executable, "-c", RUNNER, str(note)], "env": {}},
    )
    server = started.seen()["pid"]
    until(lambda: note.exists() and note.read_text(), "the job runner did not start")
    consumer = int(note.read_text())
    try:
        assert not has_ended(consumer)
        os.kill(server, number)
        until(lambda: has_ended(consumer), "the consumer outlived the server")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(consumer, signal.SIGKILL)


@pytest.mark.parametrize("form", ["uvicorn", "gunicorn"])
def test_a_taken_port_is_said_at_once(start: Callable[..., Started], form: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        options = ["--host", "127.0.0.1", "--port", port] if form == "uvicorn" else ["--bind", f"127.0.0.1:{port}"]
        started = start(argv=[sys.executable, "-c", "raise SystemExit('the server was started')", *options])
        error = started.error()
    assert started.process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in error


def test_metrics_of_dead_processes_are_removed(start: Callable[..., Started], tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    for name in ("counter_123.db", "gauge_livesum_7.db", "histogram_41.db", "mlflow.db", "auth.db", "counter.db"):
        (folder / name).touch()
    start(env={"prometheus_multiproc_dir": str(folder)}).seen()
    assert sorted(path.name for path in folder.iterdir()) == ["auth.db", "counter.db", "mlflow.db"], "of others"


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_secret_is_a_text_without_the_line_ends_behind_it(tmp_path: Path, ending: bytes) -> None:
    (tmp_path / "password").write_bytes("pä\nss ".encode() + ending)
    place = {"file": str(tmp_path / "password")}
    assert starter._read("PGPASSWORD", place) == "pä\nss " == secrets.read(tmp_path / "password", "x")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_a_secret_that_no_variable_can_hold_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(SystemExit, match=r"PGPASSWORD in .*password is no text"):
        starter._read("PGPASSWORD", {"file": str(tmp_path / "password")})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"argv": [], "env": {}, "secrets": {}}', "[" * 100_000, "\xff"])
def test_a_file_that_is_no_launch_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "launch.json"
    file.write_bytes(text.encode("latin-1"))
    done = subprocess.run([sys.executable, starter.__file__, str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode and done.stderr == f"starter: {file} is no launch: somebody changed it. Deploy again.\n"


def test_a_launch_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "launch.json"
    with pytest.raises(SystemExit, match=f"cannot read the launch {missing}: No such file"):
        starter.start(missing)
