"""What is read of the answers of Docker's command line, and what a drain wrapper does with a signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import secrets
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose.template import complete
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.standalone import drain

NOTHING = Path("/nonexistent")
COMMON = {"name": "mlflow", "component": "server", "networks": ["mlflow-a", "mlflow-b"]}
SERVICE = {"image": "i", "user": "1:1", "limits": {"cpu": "500m", "memory": "1Gi"}, "healthcheck": {"test": ["CMD"]}}


def said(stdout: str = "", stderr: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout, stderr)


def test_an_engine_that_does_not_run_is_a_problem_with_its_own_words() -> None:
    words = "warning\nCannot connect to the Docker daemon at unix:///x."
    state = inspect.engine_state(said('{"Client": {}}', words, 1))
    assert state["problem"].endswith("Cannot connect to the Docker daemon at unix:///x.")
    old = inspect.engine_state(said('{"Server": {"Version": "18.09", "ApiVersion": "1.39"}}'))
    assert "Docker Engine 18.09 (API 1.39) is too old" in old["problem"]
    new = inspect.engine_state(said('{"Server": {"Version": "20.10", "ApiVersion": "1.41"}}'))
    assert new == {"version": "20.10", "problem": ""}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (said("2.26.1-4\n"), ""),
        (said("v2.20.0\n"), ""),
        (said("5.0.1\n"), ""),
        (said("2.19.1\n"), "2.19.1 is too old"),
        (said("", "docker: 'compose' is not a docker command.", 1), "is not installed"),
    ],
)
def test_versions_of_the_compose_plugin(answer: subprocess.CompletedProcess[str], problem: str) -> None:
    found = inspect.compose_state(answer)["problem"]
    assert problem in found and bool(found) is bool(problem)


def network(name: str, *subnets: str) -> dict[str, Any]:
    return {"Name": name, "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}


def test_subnets_are_held_against_each_other_networks_and_routes(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    # The default one; 192.0.2.0/24; 172.18.0.0/16, which is that of a network.
    routes.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
        "br-1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n"
    )
    listed = [network("bridge", "172.18.0.0/16"), network("m-a", "10.1.0.0/24"), network("host")]

    def found(**requested: str) -> list[str]:
        return inspect.overlaps({f"m-{zone}": subnet for zone, subnet in requested.items()}, listed, routes)

    assert found(a="10.1.0.0/24", b="") == [], "an existing network of ours does not overlap itself"
    assert found(a="172.18.4.0/24") == ["172.18.4.0/24 of m-a overlaps 172.18.0.0/16 of the network bridge"]
    assert found(a="192.0.2.128/25") == ["192.0.2.128/25 of m-a overlaps 192.0.2.0/24 of a route of this host"]
    assert found(b="10.2.0.0/16", c="10.2.1.0/24") == ["10.2.0.0/16 of m-b overlaps 10.2.1.0/24 of m-c"]
    with pytest.raises(BadInput, match=r"The subnet '10\.1\.0\.1/24' of the network m-b is none"):
        found(b="10.1.0.1/24")
    assert inspect.host_routes(NOTHING) == []


def one(**state: Any) -> dict[str, Any]:
    defaults = {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z"}
    return {
        "Name": "/mlflow-server-1",
        "State": {**defaults, **state},
        "Config": {"Image": "i", "Labels": {"mlops.mlflow.component": "server", "mlops.mlflow.zone": "a"}},
        "HostConfig": {"PortBindings": {"5000/tcp": [{"HostIp": "", "HostPort": "5000"}]}},
        "NetworkSettings": {"Networks": {"mlflow-a": {}}},
    }


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({}, ""),
        ({"Health": {"Status": "healthy", "Log": []}}, ""),
        ({"Health": {"Status": "starting", "Log": None}}, ""),
        ({"Health": {"Status": "unhealthy", "Log": [{"Output": "no\n database"}]}}, "unhealthy: no database"),
        ({"Status": "exited", "ExitCode": 0}, "exited"),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, "exited, exit status 137, out of memory"),
        ({"Status": "restarting", "ExitCode": 1}, "restarting, exit status 1"),
    ],
)
def test_what_is_wrong_with_a_container_is_said_in_words(state: dict[str, Any], problem: str) -> None:
    found = inspect.container(one(**state))
    assert found["problem"] == problem
    assert (found["name"], found["zone"], found["ports"]) == ("mlflow-server-1", "a", [5000])


def test_a_port_is_ours_while_a_container_of_ours_runs_and_taken_by_any_other_program() -> None:
    mine = [inspect.container(one())]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert inspect.port_state(mine, "127.0.0.1", port) == ("taken", "")
    assert inspect.port_state(mine, "127.0.0.1", port) == ("free", "")
    assert inspect.port_state(mine, "127.0.0.1", 5000) == ("ours", "")


def test_an_address_that_the_host_does_not_have_is_no_taken_port() -> None:
    assert inspect.port_state([], "192.0.2.77", 5000) == ("impossible", "it is no address of this host")


def test_a_port_of_roots_is_free_for_the_engine_whoever_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(13, "Permission denied")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(socket.socket, "bind", refused)
        assert inspect.port_state([], "127.0.0.1", port) == ("taken", "")
    assert inspect.port_state([], "127.0.0.1", port) == ("free", "")


@pytest.mark.parametrize("missing", ["image", "user", "limits", "healthcheck"])
def test_a_service_without_what_every_container_must_have_is_refused(missing: str) -> None:
    service = {key: value for key, value in SERVICE.items() if key != missing}
    with pytest.raises(BadInput, match=f"The service server-1 has no {missing}"):
        complete({"services": {"server-1": service}}, COMMON)


def test_a_template_can_neither_forget_restrictions_nor_name_a_network_of_others() -> None:
    own = {**SERVICE, "networks": ["mlflow-b", "elsewhere"], "volumes": [{"type": "volume", "target": "/tmp"}]}
    done = complete({"services": {"server-1": own}}, COMMON)
    service = done["services"]["server-1"]
    assert service["networks"] == ["mlflow-b"] and service["cpus"] == 0.5 and service["mem_limit"] == 1 << 30
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert list(done["volumes"]) == ["mlflow-server-1-scratch"]
    with pytest.raises(BadInput, match="which is no name for containers"):
        complete({"services": {"server-1": SERVICE}}, {**COMMON, "name": "My MLflow"})


def test_variables_named_file_are_read_and_those_of_others_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("kept %s $x \n")
    environment = {"PGPASSWORD_FILE": str(file), "SSL_CERT_FILE": str(file), "AWS_ACCESS_KEY_ID": "given",
                   "AWS_ACCESS_KEY_ID_FILE": "/nonexistent"}  # fmt: skip
    secrets.take_from_files(environment)
    assert environment["PGPASSWORD"] == "kept %s $x "
    assert "SSL_CERT" not in environment and environment["AWS_ACCESS_KEY_ID"] == "given"
    with pytest.raises(EngineError, match="PGPASSWORD_FILE: /nonexistent cannot be read: No such file"):
        secrets.take_from_files({"PGPASSWORD_FILE": "/nonexistent"})


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(64)


def kept(seconds: str, *server: str) -> tuple[subprocess.Popen[str], int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    argv = [sys.executable, "-I", str(drain.__file__), f"--port={port}", f"--seconds={seconds}", "--", *server]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "started\n"
    return process, port


SERVER = "import signal, time; signal.signal(15, lambda *_: exit(7)); print('started', flush=True); time.sleep(60)"


def test_a_keeper_tells_the_front_first_and_the_server_later() -> None:
    process, port = kept("0.7", sys.executable, "-c", SERVER)
    assert ask(port) == b"up ready\n"
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert ask(port) == b"drain\n" and process.poll() is None
    assert process.wait(10) == 7
    assert 0.6 < time.monotonic() - start < 5


def test_a_keeper_that_is_told_twice_does_not_wait() -> None:
    process, _port = kept("30", sys.executable, "-c", SERVER)
    for _time in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    assert process.wait(10) == 7


def test_a_keeper_ends_with_its_server_also_when_that_is_killed() -> None:
    process, _port = kept("30", "/bin/sh", "-c", "echo started; kill -9 $$")
    assert process.wait(10) == 128 + signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
