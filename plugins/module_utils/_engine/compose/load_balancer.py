# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer of a deployment: started, reloaded, and which servers it sends requests to."""

from __future__ import annotations

import time

from .client import DockerError, call
from .inspect import find


def start(name: str, dry_run: bool = False) -> bool:
    """Start a load balancer that does not run; tells whether that was needed.

    :raises DockerError: there is none.
    """
    if not (found := find(name)):
        raise DockerError(f"The load balancer {name} is not there: deploy, which also starts it.")
    if found["state"] in ("running", "restarting"):
        return False
    if not dry_run:
        call("start", name)
    return True


def reload(name: str) -> None:
    """Let the load balancer read its configuration anew.

    From inside: a signal by C(docker kill), whichever it is, the engine takes for a stop by hand, after which nothing
    that dies is started again.
    """
    call("exec", name, "bash", "-c", "kill -USR2 1")


def wait_for_server(name: str, server: str, timeout: float) -> None:
    """Wait until the load balancer sends requests to a server.

    :raises DockerError: it does not find the server healthy within C(timeout) seconds.
    """
    deadline = time.monotonic() + timeout
    while (state := _seen(name, server)) != "UP":
        if time.monotonic() > deadline:
            raise DockerError(
                f"The load balancer {name} does not find {server} healthy after {timeout:.0f} s: it is {state}."
            )
        time.sleep(0.2)


def _seen(name: str, server: str) -> str:
    try:
        return _stats(name, server).get("status") or "unknown to it"
    except DockerError as error:
        return f"not known, because the load balancer cannot be asked ({str(error).rstrip('.')})"


def _stats(name: str, server: str) -> dict[str, str]:
    lines = _ask(name, "show stat servers 4 -1").lstrip("# ").splitlines()
    names = lines[0].split(",") if lines else []
    rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
    return next((row for row in rows if row.get("svname") == server), {})


def _ask(name: str, command: str) -> str:
    script = 'exec 3<>/dev/tcp/127.0.0.1/9999 && printf "%s\\n" "$1" >&3 && cat <&3'
    return call("exec", name, "bash", "-c", script, "ask", command).stdout
