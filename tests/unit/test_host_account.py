"""Who runs a deployment on a host whose inventory names nobody."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import account, folders

NAME = "mlops-nobody-has-this-name"


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def open_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that anybody may enter, as those of pytest are not."""
    monkeypatch.setattr(account, "_closed", lambda _home: None)
    return tmp_path / "mlflow"


@pytest.mark.usefixtures("root")
def test_a_new_deployment_of_root_under_systemd_gets_a_user(open_folder: Path) -> None:
    assert account.choose(str(open_folder), NAME, systemd=True)[0] == NAME
    open_folder.mkdir()
    (open_folder / "lost+found").mkdir()
    assert account.choose(str(open_folder), NAME, systemd=True)[0] == NAME


@pytest.mark.usefixtures("root")
def test_what_root_runs_already_stays_roots(open_folder: Path) -> None:
    open_folder.mkdir()
    (open_folder / folders.NOTES).write_text('{"folders": {}}')
    user, reason = account.choose(str(open_folder), NAME, systemd=True)
    assert user == "" and "stays root's" in reason
    (open_folder / folders.NOTES).unlink()
    (open_folder / "database").mkdir()
    assert account.choose(str(open_folder), NAME, systemd=True)[0] == ""


@pytest.mark.usefixtures("root")
def test_the_second_run_finds_the_user_that_the_first_one_made(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pwd.struct_passwd((NAME, "x", 998, 998, folders.ACCOUNT, str(open_folder), "/usr/sbin/nologin"))
    monkeypatch.setattr(account.pwd, "getpwnam", lambda _name: made)
    open_folder.mkdir()
    (open_folder / "server").mkdir()
    assert account.choose(str(open_folder), NAME, systemd=True)[0] == NAME
    # Somebody else's user of that name is no reason to take over what root runs.
    others = pwd.struct_passwd((NAME, "x", 998, 998, "A person", "/home/a", "/bin/sh"))
    monkeypatch.setattr(account.pwd, "getpwnam", lambda _name: others)
    assert account.choose(str(open_folder), NAME, systemd=True)[0] == ""


@pytest.mark.usefixtures("root")
def test_without_systemd_or_in_a_folder_that_only_root_may_enter_nobody_is_made(tmp_path: Path) -> None:
    assert account.choose(str(tmp_path / "mlflow"), NAME, systemd=False)[0] == ""
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    user, reason = account.choose(str(closed / "a" / "mlflow"), NAME, systemd=True)
    assert user == "" and "lets nobody but root in" in reason


def test_a_person_who_is_not_root_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account.choose(str(tmp_path), NAME, systemd=True)[0] == ""
