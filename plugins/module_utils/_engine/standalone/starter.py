# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starter: becomes the MLflow server that a launch file describes.

Supervisor, systemd and containers all run C(starter.py LAUNCH.json [FOLDER]). It ends what an earlier start left
behind, reads the secrets, starts the job runner where there is one, and replaces itself with the server, so that the
supervisor watches the server itself. A child stays with the jobs, and ends them when the server ends, however that
comes about. The process group is noted in FOLDER, which the server's user may write, or beside the launch. It is copied
to hosts as one file: standard library only, no import of the engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

_GRACE_SECONDS = 5.0
# Files of the Prometheus client for Python; the number is that of a process.
_COUNTERS = re.compile(r"(counter|gauge_[a-z]+|histogram|summary)_\d+\.db")
# What every program has of its surroundings.
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


def start(launch_file: Path, folder: Path | None = None) -> NoReturn:
    """Replace this process with the server.

    :raises SystemExit: the launch or a secret cannot be read, or the port belongs to somebody else; the message says
        which.
    """
    launch = _launch(launch_file)
    group_file = (folder or launch_file.parent) / "launch.group"
    _end_previous(group_file, launch["argv"][0])
    _refuse_taken_port(launch["argv"])
    # Only what launch says: clients would use the keys of the person who deployed, and a MLFLOW_TRACKING_URI of theirs
    # would send the server to itself.
    inherited = {name: os.environ[name] for name in (*_INHERITED, *launch.get("inherits", ())) if name in os.environ}
    env = {**inherited, **launch["env"], **{name: _read(name, where) for name, where in launch["secrets"].items()}}
    if keys := launch.get("keys"):
        for name in _run(keys, env):
            del env[name]
    _answer_to_own_address(env)
    # A group of our own, so that everything the server starts can be found and ended together.
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    if os.access(group_file.parent, os.W_OK):  # in a container nothing outlives the first process
        group_file.write_text(str(os.getpgrp()))
    if jobs := launch.get("jobs"):
        os.makedirs(env["_MLFLOW_HUEY_STORAGE_PATH"], mode=0o700, exist_ok=True)
        own = {"{pid}": str(os.getpid()), "{milliseconds}": str(int(time.time() * 1000))}
        _keep_jobs(jobs["argv"], {**env, **{k: own.get(v, v) for k, v in jobs["env"].items()}})
    if metrics := env.get("prometheus_multiproc_dir"):
        _empty(Path(metrics))
    os.execve(launch["argv"][0], launch["argv"], env)  # noqa: S606


def _launch(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise SystemExit(f"starter: cannot read the launch {file}: {error.strerror}.") from error
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found.get("argv") or {"env", "secrets"} - found.keys():
        raise SystemExit(f"starter: {file} is no launch: somebody changed it. Deploy again.")
    return found


def _answer_to_own_address(env: dict[str, str]) -> None:
    """Who scrapes metrics, and some load balancers, ask a pod by its address, which is not known before."""
    address, names = os.environ.get("POD_IP"), env.get("MLFLOW_SERVER_ALLOWED_HOSTS")
    if address and names:
        host = f"[{address}]" if ":" in address else address
        # An entry with a * is a pattern of fnmatch, to which a bracket begins a class of characters.
        env["MLFLOW_SERVER_ALLOWED_HOSTS"] = f"{names},{host},{host.replace('[', '[[]', 1)}:*"


def _keep_jobs(argv: list[str], env: dict[str, str]) -> None:
    """Start the job runner below a child of ours that ends it, and all that it started, when the server ends.

    MLflow's own consumers look for their parent from time to time, finish what they do, and were seen to work for
    another minute and a half. The child is told by the kernel: the server alone holds the other end of a pipe.
    """
    ended, server = os.pipe()
    os.set_inheritable(server, True)  # survives that we become the server; programs that it starts do not get it
    if os.fork():
        os.close(ended)
        return
    os.close(server)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # of the whole group: the server may still finish its requests
    _adopt_orphans()
    subprocess.Popen(argv, env=env)
    while not select.select([ended], [], [], 1.0)[0]:
        _reap()
    for number, wait in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + wait
        while time.monotonic() < end and _descendants(os.getpid()):
            _reap()
            time.sleep(0.05)
    os._exit(0)


def _adopt_orphans() -> None:
    """Become the parent of what our descendants leave behind. Linux only: elsewhere those are MLflow's to end."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(pid: int) -> list[int]:
    """The numbers of all live processes below one."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parents() -> list[tuple[int, int]]:
    """Number and parent of every process that is no zombie."""
    if not Path("/proc/self/stat").exists():
        said = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
        return [(int(pid), int(parent)) for pid, parent in (line.split() for line in said.splitlines())]
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, parent = (directory / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found.append((int(directory.name), int(parent)))
    return found


def _run(argv: list[str], env: dict[str, str]) -> list[str]:
    """The words that a program prints; what it says besides is for the log."""
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"starter: {' '.join(argv)} ended with {done.returncode}.")
    return done.stdout.split()


def _read(name: str, where: dict[str, Any]) -> str:
    if "random_bytes" in where:
        return secrets.token_hex(where["random_bytes"])
    if "secret" in where:  # Kubernetes puts it into the environment
        if name not in os.environ:
            raise SystemExit(
                f"starter: the secret {name} ({where['secret']}/{where['key']}) is not in the environment."
            )
        return os.environ[name]
    try:
        # As operations read it: a file that was written elsewhere has other line ends.
        found = Path(where["file"]).read_bytes().rstrip(b"\r\n").decode()
    except OSError as error:
        raise SystemExit(f"starter: cannot read the secret {name} from {where['file']}: {error.strerror}.") from error
    except UnicodeDecodeError:
        found = "\0"
    if "\0" in found:
        raise SystemExit(f"starter: the secret {name} in {where['file']} is no text, which no variable can hold.")
    return found


def _end_previous(group_file: Path, python: str) -> None:
    """End the process group of the last start: workers outlive a killed uvicorn and keep the port."""
    try:
        group = int(group_file.read_text())
    except (OSError, ValueError):
        return
    if group == os.getpgrp() or not _is_ours(group, python):
        return
    for number, wait in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if not _is_ours(group, python):
                return
            time.sleep(0.05)


def _is_ours(group: int, python: str) -> bool:
    """Whether the group still holds a process run by our interpreter: after a reboot its number may be another's."""
    return any(pgid == group and command.startswith(python) for pgid, command in _processes())


def _processes() -> list[tuple[int, str]]:
    """Process group and command line of every live process. Minimal Linux hosts have no ps, macOS has no /proc."""
    if not Path("/proc/self/stat").exists():
        lines = subprocess.run(["ps", "-A", "-o", "pgid=,command="], capture_output=True, text=True, check=False)
        pairs = [line.split(None, 1) for line in lines.stdout.splitlines()]
        return [(int(pair[0]), pair[1]) for pair in pairs if len(pair) == 2]
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # The command in parentheses may hold spaces; a zombie's command line is empty.
            pgid = int((directory / "stat").read_text().rpartition(")")[2].split()[2])
            found.append((pgid, (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")))
        except (OSError, IndexError, ValueError):
            continue
    return found


def _refuse_taken_port(argv: list[str]) -> None:
    """Say at once what the server would say only after it has imported everything."""
    options = dict(pairwise(argv))
    host, port = options.get("--host"), options.get("--port")
    if "--bind" in options:
        host, _colon, port = options["--bind"].rpartition(":")
    if not host or not port:
        return
    host = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise SystemExit(f"starter: cannot listen on {host}:{port}: {error.strerror}.") from error


def _empty(directory: Path) -> None:
    """Counters of dead processes would be added up for ever."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in directory.iterdir():
        if _COUNTERS.fullmatch(old.name):
            old.unlink(missing_ok=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: starter.py LAUNCH.json [FOLDER]")
    start(*map(Path, sys.argv[1:]))
