# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Experiments: scripts of somebody's, run as clients of a server. What a script prints last, as JSON, is its result."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .. import programs
from ..errors import BadInput, EngineError
from ..http import Server
from ..progress import Say
from .smoke import client_variables

# Of what a script prints, for people; a result may be longer.
_SHOWN_LINES = 200
# What a script has no business with: it is a client.
_NOT_ITS_OWN = ("PGPASSWORD", "AWS_", "AZURE_", "MLFLOW_AUTH_", "MLFLOW_BACKEND_", "MLFLOW_FLASK_", "MLFLOW_CRYPTO_")


def run(
    server: Server, script: str, parameters: Mapping[str, Any], say: Say, seconds: float | None = None
) -> dict[str, Any]:
    """Run one script with this Python, in an empty folder that goes with it.

    :param parameters: become arguments, C(--name=value); of a list, one for each value.
    :param seconds: that it may take; for ever without them.
    :returns: C(result) (what it printed last, where that is JSON), C(log), C(seconds); C(failed) and C(msg) where it
        ended with an error.
    :raises TimedOut: it did not end in time. Nothing that it started runs any more.
    """
    if not script.strip():
        raise BadInput("The script of the experiment is empty.")
    arguments = [f"--{name}={_text(one)}" for name, value in parameters.items() for one in _values(value)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlflow-experiment-") as folder:
        file = Path(folder, "experiment.py")
        file.write_text(script, encoding="utf-8")
        argv = [sys.executable, str(file), *arguments]
        code, lines = programs.follow(argv, say=say, env=_environment(server), cwd=folder, seconds=seconds)
    found: dict[str, Any] = {
        "result": _result(lines),
        "log": lines[-_SHOWN_LINES:],
        "seconds": round(time.monotonic() - began, 3),
    }
    if code:
        end = " | ".join(lines[-5:]) or "it printed nothing"
        found |= {"failed": True, "msg": f"The script ended with {code}. The end of its log: {end}"}
    return found


def run_all(
    experiments: Sequence[Mapping[str, Any]],
    carry_out: Callable[[Mapping[str, Any], Say], dict[str, Any]],
    parallel: int,
    say: Say,
) -> list[dict[str, Any]]:
    """Run several, so many at once, each as often as it takes and its C(retries) allow.

    :param carry_out: runs one, and returns what C(run) does.
    :returns: for each, in their order, C(name), C(attempts) and what C(run) returned; C(failed) and C(msg) also where
        it could not be run.
    """

    def attempt(one: Mapping[str, Any]) -> dict[str, Any]:
        name = str(one["name"])

        def told(text: str) -> None:
            say(f"{name}: {text}")

        for number in range(int(one.get("retries") or 0) + 1):
            told("begins" if not number else f"begins again ({number})")
            try:
                found = carry_out(one, told)
            except EngineError as error:
                found = {"failed": True, "msg": str(error)}
            if not found.get("failed"):
                break
        told(str(found["msg"]) if found.get("failed") else f"has ended after {found.get('seconds')} s")
        empty: dict[str, Any] = {"result": None, "log": [], "seconds": 0.0}
        return {**empty, **found, "name": name, "attempts": number + 1}

    with ThreadPoolExecutor(max(parallel, 1)) as pool:
        return list(pool.map(attempt, experiments))


def require_containers(experiments: Sequence[Mapping[str, Any]], runner: Mapping[str, Any] | None) -> None:
    """
    :param runner: of the deployment; None where scripts run here.
    :raises BadInput: one names an image, and would not run in a container.
    """
    named = [str(one["name"]) for one in experiments if one.get("image")]
    if named and (runner or {}).get("type") not in ("compose", "kubernetes"):
        raise BadInput(
            f"The script {named[0]} names an image, and on a host scripts run with the server's environment, in no "
            f"container. Leave image out, or deploy to compose or kubernetes."
        )


def _environment(server: Server) -> dict[str, str]:
    """Of a script. That of this process stays as it is: several run at once."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_ITS_OWN)}
    where = {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_REGISTRY_URI": server.url, "PYTHONUNBUFFERED": "1"}
    wanted = {**own, **client_variables(server), **where}
    return {name: value for name, value in wanted.items() if value is not None}


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _result(lines: Sequence[str]) -> Any:
    """What the last line says; None where that is no JSON."""
    try:
        return json.loads(lines[-1], parse_constant=_refuse) if lines else None
    except (ValueError, RecursionError):
        return None


def _refuse(word: str) -> float:
    """NaN and its like are no JSON, and Ansible could not pass them on."""
    raise ValueError(word)
