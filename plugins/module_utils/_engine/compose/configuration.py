# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations that programs in containers read: checked by these programs, and read anew without a restart.

Prometheus and Alertmanager alike read theirs again when they are sent SIGHUP, and say in their metrics when they last
succeeded in that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadInput
from .client import DockerError, call, inspect_objects, last_line
from .inspect import find

_CHECK_SECONDS = 120.0
_LAST = re.compile(r"^\w+_config_last_reload_success_timestamp_seconds (\S+)$", re.MULTILINE)
_LONGEST = 500


def check(image: str, command: Sequence[str], text: str, what: str) -> bool:
    """Let a program of an image say whether a text is a configuration for it; tells whether it could be asked.

    In a container that has neither network nor rights. The text goes in by standard input: an argument would be in the
    list of processes.

    :param command: the program and its words; the file comes behind them. :param what: how messages call the text.
    :raises BadInput: the program refuses it, with its words.
    """
    if not inspect_objects("image", [image]):
        return False
    done = call(
        "run", "--rm", "--interactive", "--pull=never", "--network=none", "--read-only", "--cap-drop=ALL",
        "--security-opt=no-new-privileges", "--user=65534:65534", "--tmpfs=/tmp:size=16m,mode=1777",
        "--entrypoint=sh", image, "-c", 'cat > /tmp/configuration && exec "$@" /tmp/configuration', "check", *command,
        timeout=_CHECK_SECONDS, check=False, merge=True, given=text,
    )  # fmt: skip
    if done.returncode:
        said = " ".join(line.strip() for line in done.stdout.splitlines() if line.strip())
        raise BadInput(f"{what} is refused by {' '.join(command)}: {said[-_LONGEST:]}")
    return True


def reload(name: str, url: str, folder: Path, timeout: float, dry_run: bool = False) -> bool:
    """Let a program take over files that are newer than what it has read; tells whether that was needed.

    From inside: a signal by C(docker kill), whichever it is, the engine takes for a stop by hand, after which nothing
    that dies is started again.

    :param url: of its metrics, within the container. :param folder: of the host, with these files.
    :raises DockerError: it does not answer, or does not read them.
    """
    if dry_run and (find(name) or {}).get("state") != "running":
        return False
    written = max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
    if _last(name, url) >= written:
        return False
    if not dry_run:
        call("exec", name, "sh", "-c", "kill -HUP 1")
        _wait(name, url, written, timeout)
    return True


def _wait(name: str, url: str, written: float, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while _last(name, url) < written:
        if time.monotonic() > deadline:
            said = last_line(call("logs", "--tail=20", name, merge=True).stdout)[-_LONGEST:]
            raise DockerError(
                f"{name} goes on with the configuration that it had: within {timeout:.0f} s it did not take over what "
                f"was written. It said: {said}"
            )
        time.sleep(0.2)


def _last(name: str, url: str) -> float:
    """When it last took over a configuration, in seconds since the epoch."""
    found = _LAST.search(call("exec", name, "wget", "-q", "-O", "-", url).stdout)
    if not found:
        raise DockerError(f"{name} does not say at {url} when it last read its configuration.")
    return float(found[1])
