# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trial: the server that a launch describes, proven where no client finds it, and ended again.

It listens on loopback, on a port that was free. An upgrade starts the new version so before any client may write to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import EngineError, ServerError
from ..http import Server
from . import health, smoke

# Where pods and containers have theirs.
LAUNCH = Path("/etc/mlflow/launch.json")
_ADDRESS = "127.0.0.1"
_STOP_SECONDS = 40  # the server waits for its last requests for 30
_LOG_LINES = 30
_SET_SIGNAL_OF_PARENTS_DEATH = 1


def run(
    launch: Mapping[str, Any],
    starter: str,
    server: Server,
    wanted: health.Wanted,
    *,
    seconds: float = 120.0,
    smoke_test: bool = True,
) -> dict[str, Any]:
    """Start it, run all checks of its health, do a smoke run, end it: what the module C(mlflow_trial) returns.

    :param launch: as of a launch file. Its job runner is not started.
    :param server: how it is asked; the address is the trial's own.
    :raises ServerError: it did not become healthy, or the smoke run failed; the end of its log is in the message.
    """
    port = _free_port()
    scheme, path = server.url.partition("://")[0], "/".join(server.url.split("/")[3:])
    asked = replace(server, url=f"{scheme}://{_ADDRESS}:{port}/{path}".rstrip("/"))
    began = time.monotonic()
    with _folder() as folder, _started(moved(launch, port), starter, folder) as process:
        try:
            report = health.wait(asked, wanted, seconds, 0.2, ended=lambda: process.poll() is not None)
            if not report.healthy:
                ended = f" It ended with {process.returncode}." if process.poll() is not None else ""
                raise ServerError(f"The server on trial is {report.verdict}.{ended}")
            ready = round(time.monotonic() - began, 3)
            steps = smoke.run(asked, wanted.database_uri, wanted.database_password) if smoke_test else []
        except ServerError as error:
            raise ServerError(f"{error}\nThe end of its log:\n{_tail(folder)}") from error
    return {"health": report.as_dict(), "steps": steps, "seconds": ready}


def read_launch(path: str) -> dict[str, Any]:
    """What a launch file holds.

    :raises EngineError: there is none, or it is not one.
    """
    try:
        launch: dict[str, Any] = json.loads(Path(path).read_text())
        if "_MLFLOW_SERVER_FILE_STORE" not in launch["env"]:
            raise KeyError("_MLFLOW_SERVER_FILE_STORE")
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(
            f"The launch file {path} cannot be read ({type(error).__name__}: {error}). The server's configuration "
            f"must be mounted there: deploy again."
        ) from error
    return launch


def own_starter() -> str:
    """The program that starts launches, where this engine lies in a folder, as in an image."""
    return str(Path(__file__).parents[1] / "standalone" / "starter.py")


def moved(launch: Mapping[str, Any], port: int) -> dict[str, Any]:
    """The same launch for another address, without jobs: they would begin what is left of the last server's."""
    argv = list(launch["argv"])
    for option, value in (("--host", _ADDRESS), ("--port", str(port)), ("--bind", f"{_ADDRESS}:{port}")):
        if option in argv:
            argv[argv.index(option) + 1] = value
    return {**launch, "argv": argv, "jobs": None}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mlops-trial-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _started(launch: Mapping[str, Any], starter: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    file = folder / "launch.json"
    file.write_text(json.dumps(launch))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [launch["argv"][0], starter, str(file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        # Its workers too, whatever became of it: the group is its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_parent() -> None:
    """Who kills us cannot be told: the kernel tells the server's first process then, which ends the others (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENTS_DEATH, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])


def _tail(folder: Path) -> str:
    lines = (folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])
