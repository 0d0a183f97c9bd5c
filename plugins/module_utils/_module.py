# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: what all modules share. Argument specs here match the doc fragments of the same name."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine import secrets
from ._engine.errors import BadInput, EngineError
from ._engine.http import DEFAULT_URL, Server

SERVER_ARGS: dict[str, Any] = {
    "url": {"type": "str"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "password_file": {"type": "path", "no_log": False},
    "token": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 10.0},
}
RUN_AS_ARGS: dict[str, Any] = {"run_as": {"type": "str"}}
SERVER_EXCLUSIVE = [("password", "password_file"), ("token", "username")]
SERVER_TOGETHER = [("client_cert", "client_key")]
_SAID = 3  # exit code of a child that has ended the module itself


def server_of(module: AnsibleModule) -> Server:
    """The server that a module's options describe."""
    params = module.params
    return Server(
        url=params["url"] or DEFAULT_URL,
        username=params["username"] or None,
        password=secret_of(module, "password"),
        token=params["token"] or None,
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=params["client_key"],
        validate_certs=params["validate_certs"],
        timeout=params["timeout"],
    )


def secret_of(module: AnsibleModule, option: str) -> str | None:
    """A secret given as itself or as C(<option>_file); marked so that Ansible masks it in all output."""
    if path := module.params.get(f"{option}_file"):
        return masked(module, secrets.read(path, f"{option}_file"))
    secret = module.params.get(option)
    return str(secret) if secret else None


def masked(module: AnsibleModule, secret: str) -> str:
    """A secret that did not come as an option, masked in all output."""
    module.no_log_values.add(secret)
    return secret


def logging_to(path: str | None) -> Callable[[str], None]:
    """Progress of long work as lines in a file, because a module itself can say something only at its end."""
    if not path:
        return lambda _text: None

    def say(text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{now} {text.strip()}\n")

    return say


def run(module: AnsibleModule, action: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Run a module's action and leave: the one place where errors become C(fail_json).

    With the option C(run_as), root hands the action to a child that has that user's rights and nothing else: what it
    reads and writes is the user's, and a link there leads no further than the user could go.
    """
    user = module.params.get("run_as")
    try:
        result = _as_user(module, action, user) if user and os.geteuid() == 0 else action(module)
    except EngineError as error:
        module.fail_json(msg=str(error), exception=traceback.format_exc())
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _as_user(module: AnsibleModule, action: Callable[[AnsibleModule], dict[str, Any]], user: str) -> dict[str, Any]:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise BadInput(f"There is no user {user} on this host: deploy first, or correct mlflow_system_user.") from None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer: dict[str, Any]
        try:
            _become(account)
            _end_with_parent()
            answer = {"result": action(module)}
        except EngineError as error:
            answer = {"refused": str(error), "trace": traceback.format_exc()}
        except PermissionError as error:
            answer = {
                "refused": f"{user} may not use {error.filename}: {error.strerror}.",
                "trace": traceback.format_exc(),
            }
        except SystemExit:
            sys.stdout.flush()
            os._exit(_SAID)  # fail_json has said it all, on the standard output that both share
        except BaseException:
            answer = {"broken": traceback.format_exc()}
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump({**answer, "no_log": sorted(map(str, module.no_log_values))}, pipe, default=str)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    _child, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == _SAID:
        raise SystemExit(1)
    if not text:
        raise RuntimeError(f"The module's child, which runs as {user}, was ended: {status}.")
    answer = json.loads(text)
    module.no_log_values.update(answer["no_log"])
    if "refused" in answer:
        module.fail_json(msg=answer["refused"], exception=answer["trace"])
    if "broken" in answer:
        raise RuntimeError(f"As the user {user}:\n{answer['broken']}")
    return dict(answer["result"])


def _become(account: pwd.struct_passwd) -> None:
    """Take a user's rights for good: groups first, because later nobody may set them any more."""
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.umask(0o077)
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    os.environ.pop("TMPDIR", None)
    tempfile.tempdir = None
    os.chdir("/")


def _end_with_parent() -> None:
    """Who kills the module, as a timeout does, ends what it does. The change of user would forget it (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
