# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server on the platform C(host), as the host sees it. Changes nothing."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from .. import ports, proofs

SUPPORTED_PYTHON = ((3, 11), (3, 13))
# Unix socket paths are limited to 108 characters on Linux and 104 on macOS, including the final zero.
_SOCKET_LIMIT = 103
_REACH_SECONDS = 10
# ps tells whole seconds.
_CLOCK_SECONDS = 1
# Where systemd looks for units, the first place first. Ours are in that.
_UNIT_PLACES = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
_LONGEST_UNIT = 1 << 16


@dataclass
class State:
    """What was found.

    C(port) is C(free), C(ours), C(taken) or C(impossible), for the reason C(port_problem); C(program) is
    supervisor's or systemd's word for the server's state, C(absent) where nothing of ours supervises it; C(unwritable)
    and C(out_of_reach) map what cannot be used to the reason; C(broken) are environments that are there and cannot be
    used by the server's user;
    C(deployed) is the version of MLflow that the launch file starts, C(interpreter) what it is started with, C(launch)
    all that the file says; all empty where there is none. C(root): whether we are that, and would run the server so.
    C(units): of each that was asked for, and of the server's, C(absent), C(ours), or the path of somebody else's.
    C(pip_cert): where TLS is inspected on this host, the file of the authority by which pip verifies packages.
    C(outdated): whether a file that the server reads at its start was written after it, as by a deploy that was cut
    off before it restarted the server, or by who gave it another password.
    """

    python: str
    python_supported: bool
    systemd: bool
    installed: bool
    port: str
    port_problem: str
    program: str
    supervised: bool
    pid: int | None
    log: str | None
    unwritable: dict[str, str] = field(default_factory=dict)
    # Not "unreachable": Ansible takes a result with that key for a host that is.
    out_of_reach: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    socket_too_long: bool = False
    deployed: str = ""
    interpreter: str = ""
    launch: dict[str, Any] = field(default_factory=dict)
    root: bool = False
    outdated: bool = False
    units: dict[str, str] = field(default_factory=dict)
    pip_cert: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def gather(
    directory: str,
    host: str = "127.0.0.1",
    port: int = 5000,
    name: str = "mlflow",
    expects: list[str] | None = None,
    directories: list[str] | None = None,
    endpoints: list[str] | None = None,
    imports: dict[str, str] | None = None,
    user: str = "",
    supervision: str = "auto",
    units: dict[str, str] | None = None,
) -> State:
    """Inspect one deployment.

    :param directory: the server's folder (mlflow_server_dir).
    :param expects: files that must all be there for C(installed).
    :param directories: folders that must be writable, or creatable.
    :param endpoints: HOST:PORT of services that the server will need.
    :param imports: interpreters of environments, each with a library that it must be able to import.
    :param user: who runs the server, where it is not the user who asks. Only its own attempt shows what it may run.
    :param supervision: C(systemd), C(supervisor), or C(auto) to take what the host runs.
    :param units: names of units, each with a text that it holds where this deployment wrote it.
    """
    folder = Path(directory)
    program, pid, use_systemd = supervised(directory, name, supervision)
    log = folder / "server.log"
    launch = launch_of(folder)
    unit = Path(f"/etc/systemd/system/{name}.service") if use_systemd else folder / "supervisord.conf"
    interpreter = interpreter_of(directory)
    port_state, port_problem = _port(
        folder, host, port, running=program in ("RUNNING", "STARTING", "active", "activating")
    )
    own_unit = {f"{name}.service": _mark(folder)} if use_systemd else {}
    broken = [python for python, library in (imports or {}).items() if _is_broken(python, library, user)]
    return State(
        python="{}.{}.{}".format(*sys.version_info[:3]),
        python_supported=SUPPORTED_PYTHON[0] <= sys.version_info[:2] <= SUPPORTED_PYTHON[1],
        systemd=has_systemd(),
        installed=bool(expects) and not broken and all(os.path.exists(path) for path in expects or []),
        port=port_state,
        port_problem=port_problem,
        program=program,
        supervised=program not in ("absent", "unreachable"),
        pid=pid,
        log=str(log) if log.exists() and not use_systemd else None,
        unwritable={path: reason for path in directories or [] if (reason := _unwritable(path))},
        out_of_reach={place: reason for place in endpoints or [] if (reason := _out_of_reach(place))},
        broken=[str(Path(python).parents[1]) for python in broken],
        socket_too_long=len(str(folder / "supervisor.sock")) > _SOCKET_LIMIT,
        deployed=_deployed(interpreter),
        interpreter=interpreter,
        launch=launch,
        root=os.geteuid() == 0,
        units={unit: unit_state(unit, mark) for unit, mark in {**own_unit, **(units or {})}.items()},
        pip_cert=os.environ.get("PIP_CERT", ""),
        outdated=pid is not None and _is_outdated(pid, [unit, folder / "launch.json", *proofs.files_of(launch)]),
    )


def _is_outdated(pid: int, files: list[Path]) -> bool:
    told = subprocess.run(["ps", "-o", "etime=", "-p", str(pid)], capture_output=True, text=True, check=False)
    elapsed = [int(part) for part in told.stdout.strip().replace("-", ":").split(":") if part.isdigit()]
    if not elapsed:
        return False  # it has ended meanwhile
    seconds = sum(part * unit for part, unit in zip(reversed(elapsed), (1, 60, 3600, 86400), strict=False))
    now = time.time()
    # Of a process that has just begun, ps of Debian 12 says now and then that it began half a second from now, which
    # is billions of years without a sign.
    latest_start = now - (seconds if seconds < now else 0) + _CLOCK_SECONDS
    return any(written > latest_start for file in files if (written := _written(file)))


def _written(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None


def supervised(directory: str, name: str, supervision: str = "auto") -> tuple[str, int | None, bool]:
    """Supervisor's or systemd's word for the server's state, its process, and whether it is systemd's."""
    systemd = has_systemd() if supervision == "auto" else supervision == "systemd"
    return (*(_systemd(name, Path(directory)) if systemd else _supervisor(Path(directory), name)), systemd)


def unit_state(name: str, mark: str) -> str:
    """C(absent), C(ours), or the path of a unit that was made by others, which a name alone does not tell.

    :param mark: a text that ours holds. Only root writes units.
    """
    for place in _UNIT_PLACES:
        file = Path(place, "systemd/system", name)
        if os.path.lexists(file):
            return "ours" if place == _UNIT_PLACES[0] and mark in _unit(file) else str(file)
    return "absent"


def _unit(file: Path) -> str:
    """Its text; empty where it is a link, as of a unit that is masked or has another name."""
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return ""
        with file.open("rb") as opened:
            return opened.read(_LONGEST_UNIT).decode(errors="replace")
    except OSError:
        return ""


def _mark(folder: Path) -> str:
    """What the unit of a server starts."""
    return f'"{folder}/tools/bin/python"'


def has_systemd() -> bool:
    # Only the system's own systemd counts: a user's systemd ends with the last login unless lingering is on.
    return os.path.isdir("/run/systemd/system") and os.geteuid() == 0


def _supervisor(folder: Path, name: str) -> tuple[str, int | None]:
    control, configuration = folder / "tools" / "bin" / "supervisorctl", folder / "supervisord.conf"
    if not control.exists() or not configuration.exists():
        return "absent", None
    command = [str(control), "-c", str(configuration), "status", name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    words = result.stdout.split()
    if len(words) < 2 or words[0] != name:
        return "unreachable", None
    pid = words[words.index("pid") + 1].rstrip(",") if "pid" in words else ""
    return words[1], int(pid) if pid.isdigit() else None


def _systemd(name: str, folder: Path) -> tuple[str, int | None]:
    if unit_state(f"{name}.service", _mark(folder)) != "ours":
        return "absent", None
    command = ["systemctl", "show", f"{name}.service", "--property=LoadState,ActiveState,MainPID"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "absent", None
    found = dict(line.partition("=")[::2] for line in result.stdout.splitlines())
    if found.get("LoadState") != "loaded":
        return "absent", None
    pid = int(found.get("MainPID") or 0)
    return found.get("ActiveState", "unknown"), pid or None


def _port(folder: Path, host: str, port: int, running: bool) -> tuple[str, str]:
    state, problem = ports.state(host, port)
    if state != "held":
        return state, problem
    return ("ours" if running and _launched_port(folder) == port else "taken"), ""


def _launched_port(folder: Path) -> int | None:
    """The port that the present launch file asks for."""
    options = dict(pairwise(_launched(folder)))
    word = options.get("--port") or options.get("--bind", "").rpartition(":")[2]
    return int(word) if word.isdigit() else None


def _deployed(interpreter: str) -> str:
    """The version of MLflow in an environment."""
    packages = Path(interpreter).parent.parent.glob("lib/python3*/site-packages/mlflow-*.dist-info")
    return next((found.name.removeprefix("mlflow-").removesuffix(".dist-info") for found in packages), "")


def interpreter_of(directory: str) -> str:
    """What the deployed server is started with; empty where none is deployed."""
    return next(iter(_launched(Path(directory))), "")


def _launched(folder: Path) -> list[str]:
    return list(launch_of(folder).get("argv") or [])


def launch_of(folder: Path) -> dict[str, Any]:
    """Of the deployed server; {} where there is none. It holds no secret, only where secrets are."""
    try:
        found = json.loads((folder / "launch.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unwritable(path: str) -> str | None:
    """Why a folder cannot be used or created; None when it can."""
    nearest = Path(path)
    if not nearest.is_absolute():
        return "the path is not absolute"
    while not os.path.lexists(nearest):
        nearest = nearest.parent
        if nearest == nearest.parent:
            break
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"user {_user()} may not write to {nearest}"
    return None


def _out_of_reach(endpoint: str) -> str | None:
    """Why nothing can be reached there; None when a connection is accepted."""
    host, _colon, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS).close()
    except TimeoutError:
        return f"no answer within {_REACH_SECONDS} s"
    except OSError as error:
        return error.strerror or str(error)
    return None


def _is_broken(python: str, library: str, user: str) -> bool:
    """Whether an environment is there, but of no use to the user: its modes, a Python that is gone, half installed."""
    import pwd

    if not os.path.lexists(Path(python).parents[1]):
        return False
    identity: dict[str, Any] = {}
    if user and os.geteuid() == 0:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            return False  # nobody has tried it yet
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    try:
        tried = subprocess.run(
            [python, "-I", "-c", f"import {library}"], capture_output=True, check=False, cwd="/", env={}, **identity
        )
    except OSError:
        return True
    return tried.returncode != 0


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
