# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker Engine, asked by its command line.

The command line and not the API, because the compose plugin needs it anyway, and so no Python library is needed.
Which engine it is, is said by use() alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from ..errors import BadInput, EngineError

DEFAULT_HOST = "unix:///var/run/docker.sock"
# All that docker gets of the environment: where its programs, plugins and logins are. DOCKER_* and COMPOSE_* of the
# user would choose another engine, project, profile or file.
PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "SSH_AUTH_SOCK", "DOCKER_CONFIG")
_PROGRAM = "docker"
_SECONDS = 60.0
_host = DEFAULT_HOST


class DockerError(EngineError):
    """The engine, or something in it, is not as it must be."""


def use(host: str) -> None:
    """Choose the engine (C(unix:///path) or C(ssh://user@host)) for all that follows. Empty: the default socket."""
    global _host
    _host = host or DEFAULT_HOST


def engine_host() -> str:
    return _host


def environment() -> dict[str, str]:
    """The environment of every call of docker. C(DOCKER_HOST) goes before the context of its configuration."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"DOCKER_HOST": _host}


def call(
    *arguments: str, timeout: float = _SECONDS, check: bool = True, merge: bool = False, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run docker. C(check): whether an exit status other than 0 is an error; C(merge): both streams as one; C(given):
    its standard input."""
    try:
        done = subprocess.run(
            [_PROGRAM, *arguments],
            env=environment(),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise DockerError("The program docker is not installed on this host: install Docker Engine.") from None
    except subprocess.TimeoutExpired:
        raise DockerError(f"docker {arguments[0]} did not end within {timeout:.0f} s.") from None
    if check and done.returncode:
        raise DockerError(
            f"docker {' '.join(_command(arguments))} failed: {last_line(done.stderr or '') or last_line(done.stdout)}"
        )
    return done


def _command(arguments: Sequence[str]) -> list[str]:
    """What a user knows of a call: its first words, without options."""
    return [word for word in arguments if not word.startswith("-")][:2]


def call_compose(
    file: str, *arguments: str, timeout: float = _SECONDS, check: bool = True, merge: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run docker compose on a file.

    :raises BadInput: the file is not there.
    """
    return call(*_compose(file, *arguments), timeout=timeout, check=check, merge=merge)


def compose_command(file: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The same as a command and its environment, for who listens to it while it runs."""
    return [_PROGRAM, *_compose(file, *arguments)], environment()


def _compose(file: str, *arguments: str) -> tuple[str, ...]:
    if not os.path.exists(file):
        raise BadInput(
            f"The compose file {file} is not there: deploy first, or set mlflow_data_dir to what it was then."
        )
    return ("compose", f"--file={file}", *arguments)


def inspect_objects(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Those that exist."""
    if not names:
        return []
    return list(parsed(call(kind, "inspect", *names, check=False).stdout) or [])


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
