"""A look at a host: ports, folders and services, told apart before anything is changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import inspect


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


@pytest.fixture
def held_port() -> Iterator[int]:
    """Nobody listens on it, and nobody else gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def test_a_port_that_somebody_listens_on_is_taken(tmp_path: Path, listener: int) -> None:
    assert inspect.gather(str(tmp_path), port=listener).port == "taken"


def test_a_taken_port_is_not_ours_only_because_our_launch_names_it(tmp_path: Path, listener: int) -> None:
    (tmp_path / "launch.json").write_text(json.dumps({"argv": ["python", "--port", str(listener)]}))
    assert inspect.gather(str(tmp_path), port=listener).port == "taken", "no supervisor runs a server here"


def test_a_port_that_nobody_listens_on_is_free(tmp_path: Path, listener: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert inspect.gather(str(tmp_path), port=port).port == "free"


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.77", "it is no address of this host"), ("no-such-name.invalid", "it is no address of this host")],
)
def test_an_address_that_the_host_does_not_have_is_no_taken_port(tmp_path: Path, host: str, reason: str) -> None:
    found = inspect.gather(str(tmp_path), host=host, port=5000)
    assert (found.port, found.port_problem) == ("impossible", reason)


def test_a_port_that_only_root_may_have_is_no_taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refused)
    found = inspect.gather(str(tmp_path), port=80)
    assert (found.port, found.port_problem) == ("impossible", "only root may listen there")


OURS = '[Service]\nExecStart="{folder}/tools/bin/python" "{folder}/starter-1.py"\n'


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where units are written; those of packages are in lib beside it."""
    places = [tmp_path / name / "systemd/system" for name in ("etc", "lib")]
    for place in places:
        place.mkdir(parents=True)
    monkeypatch.setattr(inspect, "_UNIT_PLACES", [str(place.parents[1]) for place in places])
    return places[0]


def test_a_unit_is_ours_by_what_it_starts_and_not_by_its_name(tmp_path: Path, etc: Path) -> None:
    def state() -> str:
        return inspect.gather(str(tmp_path / "server"), supervision="systemd").units["mlflow.service"]

    assert state() == "absent"
    unit, packaged = etc / "mlflow.service", tmp_path / "lib/systemd/system/mlflow.service"
    packaged.write_text(OURS.format(folder=tmp_path / "server"))
    assert state() == str(packaged), "what a package brought is not ours, whatever it says"
    unit.write_text(OURS.format(folder=tmp_path / "server"))
    assert state() == "ours"
    unit.write_text(OURS.format(folder="/srv/another/server"))
    assert state() == str(unit), "another deployment's, of the same name"
    unit.write_text("[Service]\nExecStart=/usr/local/bin/mlflow server\n")
    assert state() == str(unit)
    unit.unlink()
    unit.symlink_to("/dev/null")
    assert state() == str(unit), "masked"


def test_somebody_elses_unit_is_no_server_of_ours(tmp_path: Path, etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is neither stopped, restarted, killed nor removed: all of these go by what is supervised."""
    monkeypatch.setattr(
        inspect.subprocess,
        "run",
        lambda *_words, **_options: subprocess.CompletedProcess(
            [], 0, "LoadState=loaded\nActiveState=active\nMainPID=1\n"
        ),
    )
    (etc / "mlflow.service").write_text("[Service]\nExecStart=/usr/local/bin/mlflow server\n")
    found = inspect.gather(str(tmp_path / "server"), supervision="systemd")
    assert (found.program, found.supervised, found.pid) == ("absent", False, None)
    (etc / "mlflow.service").write_text(OURS.format(folder=tmp_path / "server"))
    assert inspect.gather(str(tmp_path / "server"), supervision="systemd").supervised


def test_further_units_are_known_by_what_they_hold(tmp_path: Path, etc: Path) -> None:
    (etc / "mlflow-backup.timer").write_text("[Unit]\nDescription=Backup of MLflow mlflow\n")
    (etc / "mlflow-backup.service").write_text("[Service]\nExecStart=/usr/bin/borg create\n")
    asked = {
        "mlflow-backup.timer": "of MLflow mlflow\n",
        "mlflow-backup.service": '"/srv/mlflow/operations/mlflow-ops"',
    }
    assert inspect.gather(str(tmp_path), units=asked, supervision="supervisor").units == {
        "mlflow-backup.timer": "ours",
        "mlflow-backup.service": str(etc / "mlflow-backup.service"),
    }


def test_a_service_that_does_not_answer_is_named_with_the_reason(tmp_path: Path, listener: int, held_port: int) -> None:
    endpoints = [f"127.0.0.1:{listener}", f"127.0.0.1:{held_port}"]
    found = inspect.gather(str(tmp_path), endpoints=endpoints).out_of_reach
    assert found == {f"127.0.0.1:{held_port}": "Connection refused"}


def test_a_folder_is_usable_when_it_can_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folders = [str(tmp_path), str(tmp_path / "a" / "b"), str(tmp_path / "file" / "c"), "relative"]
    assert inspect.gather(str(tmp_path), directories=folders).unwritable == {
        str(tmp_path / "file" / "c"): f"{tmp_path / 'file'} is not a folder",
        "relative": "the path is not absolute",
    }


def test_a_folder_with_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    assert inspect.gather("/" + "x" * 100).socket_too_long
    assert not inspect.gather("/srv/mlflow/server").socket_too_long


def test_it_is_installed_only_when_every_expected_file_is_there(tmp_path: Path) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.touch()
    assert inspect.gather(str(tmp_path), expects=[str(there)]).installed
    assert not inspect.gather(str(tmp_path), expects=[str(there), str(missing)]).installed
    assert not inspect.gather(str(tmp_path), expects=[]).installed


def test_it_says_which_version_is_deployed_and_with_which_python(tmp_path: Path) -> None:
    python = tmp_path / "environments" / "3.12.0-0a1b2c3d4e" / "bin" / "python"
    (python.parents[1] / "lib" / "python3.11" / "site-packages" / "mlflow-3.12.0.dist-info").mkdir(parents=True)
    assert inspect.gather(str(tmp_path)).deployed == ""
    (tmp_path / "launch.json").write_text(json.dumps({"argv": [str(python), "-m", "uvicorn"]}))
    found = inspect.gather(str(tmp_path))
    assert (found.deployed, found.interpreter) == ("3.12.0", str(python))


@pytest.mark.parametrize("why", ["modes", "a Python that is gone", "no such library"])
def test_an_environment_that_the_servers_user_cannot_use_is_broken_and_not_installed(tmp_path: Path, why: str) -> None:
    environment = Path(tempfile.mkdtemp(prefix="mlops-env-")) if why == "modes" else tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    python, stamp = environment / "bin" / "python", environment / ".complete"
    python.symlink_to("/nowhere/python" if why == "a Python that is gone" else sys.executable)
    stamp.touch()
    library = "no_such_library" if why == "no such library" else "json"
    # As an umask of 077 leaves it. Whoever is not root is its owner here, and may use it.
    user = "nobody" if why == "modes" else ""
    found = inspect.gather(str(tmp_path), expects=[str(stamp)], imports={str(python): library}, user=user)
    broken = why != "modes" or os.geteuid() == 0
    assert (found.broken, found.installed) == ([str(environment)] if broken else [], not broken)
    if why == "modes":
        shutil.rmtree(environment)


def test_an_environment_that_works_or_is_still_to_be_made_is_not_broken(tmp_path: Path) -> None:
    imports = {sys.executable: "json", str(tmp_path / "environment" / "bin" / "python"): "json"}
    assert inspect.gather(str(tmp_path), imports=imports).broken == []


@pytest.fixture
def server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("written", ["launch.json", "supervisord.conf", "password"])
def test_a_server_that_was_started_before_one_of_its_files_was_written_is_outdated(
    tmp_path: Path, server: int, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    (tmp_path / "launch.json").write_text(json.dumps({"secrets": {"PGPASSWORD": {"file": str(tmp_path / "password")}}}))
    earlier = time.time() - 60
    for name in ("launch.json", "supervisord.conf", "password"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (earlier, earlier))
    monkeypatch.setattr(inspect, "_supervisor", lambda *_: ("RUNNING", server))
    assert inspect.gather(str(tmp_path), supervision="supervisor").outdated is False
    later = time.time() + 5
    os.utime(tmp_path / written, (later, later))
    assert inspect.gather(str(tmp_path), supervision="supervisor").outdated is True


def test_a_server_that_has_just_started_is_not_outdated_whatever_ps_takes_it_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ps").write_text("#!/bin/sh\necho 441077234-00:18:40\n")
    (tmp_path / "bin" / "ps").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "launch.json").write_text("{}")
    monkeypatch.setattr(inspect, "_supervisor", lambda *_: ("RUNNING", os.getpid()))
    assert inspect.gather(str(tmp_path), supervision="supervisor").outdated is False


def test_a_server_that_does_not_run_is_not_outdated(tmp_path: Path) -> None:
    (tmp_path / "launch.json").write_text("{}")
    assert inspect.gather(str(tmp_path), supervision="supervisor").outdated is False
