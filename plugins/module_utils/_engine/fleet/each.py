# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One operation for each of several instances, one after the other: what the Job of a share does.

Each instance has a process of its own, made from this one: it sees the secrets of no other, and when it is killed, for
want of memory for instance, the others are gone on with. What becomes of each is said at once, in a line.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import protocol, secrets
from ..errors import BadInput, EngineError, one_line
from ..progress import Say

# Operations that are offered for many at once.
OPERATIONS = ("backup", "databases", "health", "schema")
# What they load that takes seconds: once, and not for each instance. An image has it, whoever tests this may not.
_LOADED = {"databases": "mlflow.store.db.utils", "schema": "mlflow.store.db.utils"}
CarryOut = Callable[[protocol.Request, Mapping[str, str]], dict[str, Any]]
# Characters of what is told of one instance.
_LONGEST = 400
_GRACE_SECONDS = 20.0


def run(options: Mapping[str, Any], request_id: str, carry_out: CarryOut, say: Say, *, check: bool) -> dict[str, Any]:
    """
    :param options: C(operation), and its C(options), C(env) and C(secrets) (a file for each variable), all of which
        hold C(mark) in the place of the name; C(names) of the instances.
    :returns: C(changed), C(counts) (C(done), C(failures)), and C(failed) with C(msg) where an instance failed.
    """
    operation, mark = str(options["operation"]), str(options["mark"])
    if operation not in OPERATIONS:
        raise BadInput(f"The operation {operation} is not offered for many instances: {', '.join(OPERATIONS)} are.")
    protocol.check_options(operation, options["options"])
    if operation in _LOADED and not check:
        with contextlib.suppress(ImportError):
            importlib.import_module(_LOADED[operation])
    counts, changed, ended = {"done": 0, "failures": 0}, False, ""
    for name in options["names"]:
        own = _replaced(options, mark, str(name))

        def act(own: Mapping[str, Any] = own) -> dict[str, Any]:
            os.environ.update(own["env"])
            for variable, file in own["secrets"].items():
                # One that is not there is missed by who needs it.
                if Path(file).exists():
                    os.environ[variable] = secrets.read(file, variable)
            return carry_out(protocol.Request(operation, own["options"], check), os.environ)

        try:
            part = _in_a_child(act)
        except protocol.Ended as error:
            part, ended = {"failed": True, "msg": str(error)}, str(error)
        say(protocol.part_line(str(name), part, request_id))
        counts["failures" if part.get("failed") else "done"] += 1
        changed |= bool(part.get("changed"))
        if ended:
            break
    told = {"changed": changed, "counts": counts}
    return {**told, "failed": True, "msg": ended or "an instance failed"} if counts["failures"] else told


def _replaced(options: Mapping[str, Any], mark: str, name: str) -> dict[str, Any]:
    own = {key: options.get(key) or {} for key in ("options", "env", "secrets")}
    found: dict[str, Any] = json.loads(json.dumps(own, ensure_ascii=False).replace(mark, name))
    return found


def _in_a_child(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What became of it: C(changed), C(failed), C(msg)."""
    ours, its = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _tell(its, act)
    os.close(its)
    try:
        with os.fdopen(ours, encoding="utf-8") as file:
            text = file.read()
    except BaseException:
        _end(child)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not text:
        return {"failed": True, "msg": f"its process ended with status {status} and without a word"}
    part: dict[str, Any] = json.loads(text)
    return part


def _tell(to: int, act: Callable[[], dict[str, Any]]) -> None:
    """Act, tell what became of it, and end this process whatever happens."""
    try:
        try:
            result = act()
        except (EngineError, protocol.Ended) as error:
            result = {"failed": True, "msg": str(error)}
        except BaseException as error:
            result = {"failed": True, "msg": f"{type(error).__name__}: {error}"}
        part = {"changed": bool(result.get("changed")), "failed": bool(result.get("failed")), "msg": _said(result)}
        with os.fdopen(to, "w", encoding="utf-8") as file:
            json.dump(part, file)
    finally:
        os._exit(0)


def _said(result: Mapping[str, Any]) -> str:
    """What people are told of it."""
    listed = [*result.get("made", []), *result.get("removed", [])]
    snapshot = (result.get("snapshot") or {}).get("id")
    text = result.get("msg") or result.get("verdict") or snapshot or ", ".join(listed) or result.get("state") or ""
    return one_line(text, _LONGEST)


def _end(child: int) -> None:
    """End it so that it can clean up, or else at once."""
    os.kill(child, signal.SIGTERM)
    end = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
