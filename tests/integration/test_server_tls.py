"""Real servers that serve TLS with a certificate by the deployment's authority, as in a cluster, and who asks them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.certificates import service_names
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health, trial
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import starter
from support.databases import Databases
from support.environments import Environments
from support.playbooks import REPOSITORY
from support.servers import PATIENCE, RunningServer

AUTHORITY = certificates.new_authority("mlflow authority")
UNANSWERED = "The server does not answer.\n"
READY = REPOSITORY / "images/mlflow/mlflow-ready"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pods have it: the pair, and whom to trust."""
    found = tmp_path_factory.mktemp("tls")
    pair = certificates.issue(AUTHORITY, [*service_names("mlflow", "team-a"), "localhost", "127.0.0.1"])
    (found / "tls.crt").write_text(pair.certificate)
    (found / "tls.key").write_text(pair.key)
    (found / "ca.crt").write_text(AUTHORITY.certificate)
    return found


@pytest.fixture(scope="module", params=["light", "throughput"])
def server(
    request: pytest.FixtureRequest, environments: Environments, databases: Databases, folder: Path
) -> Iterator[RunningServer]:
    """uvicorn and gunicorn."""
    running = RunningServer(
        environments.slim,
        request.param,
        databases.connection(databases.copy(f"tls_{request.param}")),
        tls_certificate=str(folder / "tls.crt"),
        tls_key=str(folder / "tls.key"),
        plugins_dir=str(environments.home / "plugins"),
    )
    running.url = running.url.replace("http:", "https:")
    try:
        running.start(ca_path=str(folder / "ca.crt"))
        yield running
    finally:
        running.remove()


def ready(server: RunningServer, **environment: str) -> subprocess.CompletedProcess[str]:
    """The readiness probe of a pod."""
    env = {"PATH": os.environ["PATH"], "READY_PORT": str(server.port), **environment}
    return subprocess.run(["bash", str(READY)], env=env, capture_output=True, text=True, timeout=60, check=False)


SMOKE = """
import sys
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import smoke
print([step["name"] for step in smoke.run(Server(sys.argv[1], ca_path=sys.argv[2] or None, timeout=60.0), None, None)])
"""


def test_health_verifies_it_by_the_authority_alone(server: RunningServer, folder: Path) -> None:
    report = health.check(server.server(ca_path=str(folder / "ca.crt")), health.Wanted("deep"))
    assert report.healthy and report.reached == "deep", report.verdict


def test_the_real_client_verifies_it_too(server: RunningServer, folder: Path, environments: Environments) -> None:
    env = {"PYTHONPATH": str(REPOSITORY / ".dev"), "PATH": os.environ["PATH"], "HOME": str(folder)}
    for trusted, words in ((str(folder / "ca.crt"), "artifact"), ("", "certificate verify failed")):
        command = [str(environments.slim / "bin/python"), "-c", SMOKE, server.url, trusted]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert words in done.stdout + done.stderr, (done.stdout + done.stderr)[-2000:]


def test_who_does_not_trust_the_authority_is_told_so(server: RunningServer, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(certificates.new_authority("mlflow authority").certificate)
    for asked in (server.server(), server.server(ca_path=str(other))):
        report = health.check(asked, health.Wanted("live"))
        assert not report.healthy and "is not trusted" in report.verdict


def test_who_talks_no_tls_gets_no_answer(server: RunningServer) -> None:
    client = Client(Server(server.url.replace("https:", "http:"), retries=0, timeout=20.0))
    with pytest.raises(Exception, match=r"closed the connection|Could not speak|gave no answer|answered 4"):
        client.get("/health")


def answered(server: RunningServer, path: str) -> tuple[int, str]:
    """What the probe says as soon as it is answered in its time, as a kubelet asks again and again."""
    end = time.monotonic() + PATIENCE
    while True:
        done = ready(server, READY_TLS="yes", READY_PATH=path)
        if done.stdout != UNANSWERED or time.monotonic() > end:
            return done.returncode, done.stdout


def test_the_readiness_probe_talks_tls(server: RunningServer) -> None:
    for path in ("/health", "/api/2.0/mlflow/experiments/search?max_results=1"):
        assert answered(server, path) == (0, "")
    assert answered(server, "/api/2.0/mlflow/no-such-thing") == (1, "The server answers 404.\n")
    assert ready(server).returncode == 1, "without TLS nobody is answered"


def test_the_readiness_probe_sees_that_nobody_serves(server: RunningServer) -> None:
    done = ready(server, READY_TLS="yes", READY_PORT="9")
    assert (done.returncode, done.stdout) == (1, UNANSWERED)


def test_a_server_on_trial_serves_tls_too(server: RunningServer, folder: Path) -> None:
    launch: dict[str, Any] = trial.read_launch(str(server.launch_file))
    asked = Server("https://mlflow.team-a.svc:5000", ca_path=str(folder / "ca.crt"))
    found = trial.run(launch, starter.__file__, asked, health.Wanted("ready"), seconds=PATIENCE, smoke_test=False)
    assert found["health"]["healthy"]
