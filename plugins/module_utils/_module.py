# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: what all modules share. Argument specs here match the doc fragments of the same name."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine import secrets
from ._engine.errors import EngineError
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
PROGRESS_ARGS: dict[str, Any] = {"progress_file": {"type": "path"}}
SERVER_EXCLUSIVE = [("password", "password_file"), ("token", "username")]
SERVER_TOGETHER = [("client_cert", "client_key")]


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
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as file:  # no reason to end the work
            file.write(f"{now} {text.strip()}\n")

    return say


def run(module: AnsibleModule, action: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Run a module's action and leave: the one place where errors become C(fail_json)."""
    threading.Thread(target=_end_when_alone, daemon=True).start()
    try:
        try:
            result = action(module)
        except EngineError as error:
            module.fail_json(msg=str(error), exception=traceback.format_exc())
        if result.pop("failed", False):
            module.fail_json(**result)
        module.exit_json(**result)
    except SystemExit:
        # The result has been printed. What libraries say at their end, such as MLflow's, would be junk behind it.
        sys.stdout.flush()
        os.dup2(2, 1)
        raise


def _end_when_alone() -> None:
    """Whoever waits for a module reads its standard output. When nobody does any more, because the playbook or its
    connection was ended, it would work on unseen: it ends, and what it has started notices that."""
    if not stat.S_ISFIFO(os.fstat(1).st_mode) and not stat.S_ISSOCK(os.fstat(1).st_mode):
        return
    output = select.poll()
    output.register(1, 0)  # that the other end is gone is told in any case
    output.poll()
    os.kill(os.getpid(), signal.SIGTERM)
