# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker Engine, asked by its command line.

The command line and not the API, because the compose plugin needs it anyway, and so no Python library is needed.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from ..errors import EngineError

_SECONDS = 60.0


class DockerError(EngineError):
    """The engine, or something in it, is not as it must be."""


def call(
    *arguments: str, timeout: float = _SECONDS, check: bool = True, merge: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run docker. C(check): whether an exit status other than 0 is an error; C(merge): both streams as one."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL,
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
            f"docker {' '.join(arguments[:2])} failed: {last_line(done.stderr or '') or last_line(done.stdout)}"
        )
    return done


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
