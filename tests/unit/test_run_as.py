"""What a module does as the system user: with its rights, and with the same answers as without."""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _module
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.processes import has_ended, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's rights")
USER = pwd.getpwnam("nobody")


class Left(Exception):
    """How the module ended."""


class Module:
    check_mode = False

    def __init__(self, **params: Any) -> None:
        self.params = {"run_as": USER.pw_name, **params}
        self.no_log_values: set[str] = set()

    def exit_json(self, **result: Any) -> None:
        raise Left(result)

    def fail_json(self, msg: str, **_more: Any) -> None:
        raise Left({"failed": msg})


def ended(action: Callable[[Any], dict[str, Any]], **params: Any) -> tuple[dict[str, Any], Module]:
    module = Module(**params)
    with pytest.raises(Left) as left:
        _module.run(module, action)
    return left.value.args[0], module


def test_it_has_the_users_rights_and_no_way_back(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of root's")

    def look(_module: Any) -> dict[str, Any]:
        with pytest.raises(PermissionError):
            (tmp_path / "secret").read_text()
        with pytest.raises(PermissionError):
            os.setuid(0)
        return {"ids": [os.getuid(), os.geteuid(), os.getgid()], "groups": os.getgroups(), "home": os.environ["HOME"]}

    found, _ = ended(look)
    assert found["ids"] == [USER.pw_uid, USER.pw_uid, USER.pw_gid]
    assert set(found["groups"]) <= {USER.pw_gid} and found["home"] == USER.pw_dir
    assert os.geteuid() == 0


def test_a_link_leads_no_further_than_the_user_could_go(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("hash")
    (tmp_path / "shadow").chmod(0o600)
    (tmp_path / "password").symlink_to(tmp_path / "shadow")
    found, _ = ended(
        lambda module: {"read": _module.secret_of(module, "password")}, password_file=tmp_path / "password"
    )
    assert "cannot be read: Permission denied" in found["failed"]


def test_an_error_is_the_same_sentence_and_a_secret_is_masked(tmp_path: Path) -> None:
    def refuse(module: Any) -> dict[str, Any]:
        module.no_log_values.add("s3cret")
        raise BadInput("There is nothing to do.")

    found, module = ended(refuse)
    assert found == {"failed": "There is nothing to do."} and module.no_log_values == {"s3cret"}


def test_what_the_user_may_not_do_is_said_with_the_path(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found, _ = ended(lambda _module: {"made": os.mkdir(tmp_path / "beside")})  # type: ignore[func-returns-value]
    assert found["failed"] == f"nobody may not use {tmp_path}/beside: Permission denied."


def test_a_user_who_is_not_there_is_named() -> None:
    found, _ = ended(lambda _module: {}, run_as="nobody-of-that-name")
    assert "There is no user nobody-of-that-name" in found["failed"]


def test_what_is_killed_or_broken_is_no_success() -> None:
    def be_killed(_module: Any) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    def break_down(_module: Any) -> dict[str, Any]:
        raise ZeroDivisionError("by nobody")

    for action, said in ((be_killed, "was ended"), (break_down, "by nobody")):
        with pytest.raises(RuntimeError, match=said):
            _module.run(Module(), action)


def test_who_kills_the_module_ends_what_it_does() -> None:
    reading, writing = os.pipe()

    def work(_module: Any) -> dict[str, Any]:
        os.write(writing, str(os.getpid()).encode())
        time.sleep(60)
        return {}

    module = os.fork()
    if module == 0:
        _module.run(Module(), work)
        os._exit(0)
    child = int(os.read(reading, 20))
    os.kill(module, signal.SIGKILL)
    os.waitpid(module, 0)
    until(lambda: has_ended(child), "what the module did goes on without it", seconds=10)
    os.close(reading)
    os.close(writing)
