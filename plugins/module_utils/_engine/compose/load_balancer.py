# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer of a deployment: started, reloaded, and which servers it sends requests to."""

from __future__ import annotations

import time

from .client import DockerError, call
from .inspect import find


def start(front: str, dry_run: bool = False) -> bool:
    """Start a front that does not run; tells whether that was needed.

    :raises DockerError: there is none.
    """
    if not (found := find(front)):
        raise DockerError(f"The front {front} is not there: deploy, which also starts it.")
    if found["state"] in ("running", "restarting"):
        return False
    if not dry_run:
        call("start", front)
    return True


def reload(front: str) -> None:
    """Let the front read its configuration anew.

    From inside: a signal by C(docker kill), whichever it is, the engine takes for a stop by hand, after which nothing
    that dies is started again.
    """
    call("exec", front, "bash", "-c", "kill -USR2 1")


def wait_for_front(front: str, server: str, timeout: float) -> None:
    """Wait until the front sends requests to a server.

    :raises DockerError: it does not find the server healthy within C(timeout) seconds.
    """
    deadline = time.monotonic() + timeout
    while (state := _seen(front, server)) != "UP":
        if time.monotonic() > deadline:
            raise DockerError(f"The front {front} does not find {server} healthy after {timeout:.0f} s: it is {state}.")
        time.sleep(0.2)


def _seen(front: str, server: str) -> str:
    try:
        return _stats(front, server).get("status") or "unknown to it"
    except DockerError as error:
        return f"not known, because the front cannot be asked ({str(error).rstrip('.')})"


def _stats(front: str, server: str) -> dict[str, str]:
    lines = _ask(front, "show stat servers 4 -1").lstrip("# ").splitlines()
    names = lines[0].split(",") if lines else []
    rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
    return next((row for row in rows if row.get("svname") == server), {})


def _ask(front: str, command: str) -> str:
    script = 'exec 3<>/dev/tcp/127.0.0.1/9999 && printf "%s\\n" "$1" >&3 && cat <&3'
    return call("exec", front, "bash", "-c", script, "ask", command).stdout
