"""The folders of a deployment on a host: whose they are, what is refused, and what is removed."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import folders
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host.folders import Folders, remove

USER = "nobody"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders of another user")


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of the user's own, as a system user has one."""
    own = pwd.getpwnam(USER).pw_gid
    monkeypatch.setattr(folders.grp, "getgrnam", lambda name: grp.struct_group((name, "x", own, [])))


@pytest.fixture
def hardened() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def served(home: Path, **options: object) -> Folders:
    """With a system user who was there already: one that is made needs no less of its folders."""
    settings = {"programs": [f"{home}/server"], "data": [f"{home}/artifacts"], "user": USER, "user_existing": True}
    return Folders(str(home), **{**settings, **options})


def own(home: Path, **options: object) -> Folders:
    return served(home, **{"user": "", "user_existing": False, **options})


def of(path: Path) -> tuple[str, str]:
    status = path.stat()
    return pwd.getpwuid(status.st_uid).pw_name, f"{status.st_mode & 0o7777:o}"


def only(wanted: Folders) -> str:
    (error,) = wanted.errors()
    with pytest.raises(BadInput):
        wanted.make()
    return error


@as_root
@pytest.mark.usefixtures("group", "hardened")
def test_programs_are_roots_and_data_is_the_users_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "srv" / "mlflow"
    served(home).make()
    assert of(home.parent) == ("root", "755")
    assert of(home) == ("root", "1771")
    assert of(home / "server") == ("root", "750")
    assert (home / "server").stat().st_gid == pwd.getpwnam(USER).pw_gid
    assert of(home / "artifacts") == (USER, "700")
    assert served(home).make() == []
    (home / "server").chmod(0o777)
    assert served(home).make() == [str(home / "server")] and of(home / "server") == ("root", "750")


@as_root
@pytest.mark.usefixtures("group")
def test_root_follows_no_link_that_the_user_has_put_there(tmp_path: Path) -> None:
    home, victim = tmp_path / "mlflow", tmp_path / "victim"
    served(home).make()
    victim.mkdir(mode=0o755)
    (home / "backup").symlink_to(victim)
    error = only(served(home, snapshots=[f"{home}/backup"]))
    assert f"{home}/backup is a link" in error
    assert of(victim) == ("root", "755")


@as_root
@pytest.mark.usefixtures("group")
def test_a_folder_that_the_user_has_made_does_not_become_one_of_programs(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    served(home).make()
    (home / "operations").mkdir()
    os.chown(home / "operations", pwd.getpwnam(USER).pw_uid, -1)
    assert "belongs to nobody and not to root" in only(served(home, programs=[f"{home}/operations"]))


@as_root
@pytest.mark.usefixtures("group")
def test_a_folder_below_one_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert f"others than root may write to {tmp_path}/open" in only(served(tmp_path / "open" / "mlflow"))
    os.chown(tmp_path / "open", pwd.getpwnam(USER).pw_uid, -1)
    assert f"{tmp_path}/open belongs to nobody" in only(served(tmp_path / "open" / "mlflow"))


@as_root
@pytest.mark.usefixtures("group")
def test_a_user_that_the_deployment_did_not_make_is_refused_and_may_be_allowed(tmp_path: Path) -> None:
    error = only(served(tmp_path / "mlflow", user_existing=False))
    assert "The user nobody exists" in error and "mlflow_system_user_existing: true" in error
    assert served(tmp_path / "mlflow").errors() == []


@as_root
def test_a_user_without_a_group_of_its_own_would_share_the_secrets(tmp_path: Path) -> None:
    assert "must have a group of its own called nobody" in only(served(tmp_path / "mlflow"))


@as_root
@pytest.mark.usefixtures("group")
def test_data_of_another_number_is_refused_with_the_way_to_give_it(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    served(home).make()
    os.chown(home / "artifacts", 54321, -1)
    error = only(served(home))
    assert "belongs to the number 54321 and not to nobody" in error
    assert f"chown --recursive --no-dereference nobody:nobody {home}/artifacts" in error


@as_root
@pytest.mark.usefixtures("group")
def test_notes_that_others_could_write_are_not_believed(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    served(home).make()
    notes = home / folders.NOTES
    notes.unlink()
    notes.write_text(json.dumps({"folders": {"/home": "made"}}))
    os.chown(notes, pwd.getpwnam(USER).pw_uid, -1)
    for act in (lambda: served(home).make(), lambda: remove(str(home), ["/home"])):
        with pytest.raises(BadInput, match="others can write it"):
            act()


@pytest.mark.parametrize("text", ["", "null", "{}", "[]", '""', '{"folders": []}', '{"folders": '])
def test_damaged_notes_are_said_and_never_taken_for_none(text: str, tmp_path: Path) -> None:
    (tmp_path / folders.NOTES).write_text(text)
    with pytest.raises(BadInput, match="is damaged"):
        folders.read_notes(str(tmp_path))


def test_what_somebody_else_put_there_is_refused_and_never_removed(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    (home / "artifacts").mkdir(parents=True)
    (home / "artifacts" / "photo").touch()
    assert "holds what this deployment did not put there (artifacts)" in own(home).errors()[0]
    allowed = own(home, existing=True)
    assert set(allowed.make()) == {str(home), str(home / "artifacts"), str(home / "server")}
    found = remove(str(home), [str(home / "artifacts"), str(home / "server")])
    assert found.removed == [str(home / "server")]
    assert found.kept == {str(home / "artifacts"): "it was there before this deployment"}
    assert (home / "artifacts" / "photo").exists()


def test_in_check_mode_it_is_refused_as_well_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    assert own(home).make(dry_run=True) == [str(home), str(home / "server"), str(home / "artifacts")]
    assert not home.exists()
    home.mkdir()
    (home / "mine").touch()
    with pytest.raises(BadInput, match="mine"):
        own(home).make(dry_run=True)


def test_without_a_system_user_a_folder_may_be_a_link_and_keeps_its_mode(tmp_path: Path) -> None:
    home, disk = tmp_path / "mlflow", tmp_path / "disk"
    home.mkdir(mode=0o711)
    disk.mkdir(mode=0o750)
    (home / "artifacts").symlink_to(disk)
    (home / folders.NOTES).write_text(json.dumps({"folders": {str(home): "made"}}))
    own(home).make()
    assert oct(home.stat().st_mode)[-3:] == "711" and oct(disk.stat().st_mode)[-3:] == "750"
    (disk / "data").touch()
    assert own(home).make() == []
    assert "is a link to" in remove(str(home), [str(home / "artifacts")]).kept[str(home / "artifacts")]
    assert (disk / "data").exists()


def test_snapshots_of_other_deployments_are_not_somebody_elses(tmp_path: Path) -> None:
    shared = tmp_path / "backup"
    (shared / "manifests").mkdir(parents=True)
    assert own(tmp_path / "mlflow", snapshots=[str(shared)]).errors() == []
    assert own(tmp_path / "mlflow", data=[str(shared)]).errors() != []
    own(tmp_path / "mlflow", snapshots=[str(shared)]).make()
    (shared / "holiday").touch()
    assert own(tmp_path / "mlflow2", snapshots=[str(shared)]).errors() != []


def test_removal_goes_through_no_link_says_what_is_left_and_takes_the_home_last(tmp_path: Path) -> None:
    home, victim = tmp_path / "mlflow", tmp_path / "victim"
    own(home).make()
    victim.mkdir()
    (victim / "file").touch()
    (home / "artifacts" / "deep").mkdir()
    (home / "artifacts" / "deep" / "link").symlink_to(victim)
    (home / "artifacts" / "link").symlink_to(victim)
    (home / "artifacts.before-2026").mkdir()
    assert remove(str(home), [str(home / "artifacts")], dry_run=True).removed == [str(home / "artifacts")]
    assert (home / "artifacts").exists()
    found = remove(str(home), [str(home / "artifacts"), str(tmp_path / "victim"), str(home / "nothing")])
    assert found.removed == [str(home / "artifacts")] and found.kept == {str(victim): "this deployment did not make it"}
    assert found.left == [str(home / "artifacts.before-2026"), str(home / "server")]
    assert (victim / "file").exists()
    remove(str(home), [str(home / "server")])
    assert remove(str(home), [str(home)]).kept == {str(home): "it holds what is left"}
    (home / "artifacts.before-2026").rmdir()
    (home / ".cache" / "matplotlib").mkdir(parents=True)
    assert remove(str(home), [str(home)]).removed == [str(home)]
    assert not home.exists()


def test_what_lies_inside_is_forgotten_with_it(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    own(home, data=[f"{home}/server/run"]).make()
    remove(str(home), [str(home / "server")])
    assert folders.read_notes(str(home)) == {str(home): "made"}


def test_the_folder_of_another_deployment_is_neither_used_nor_removed(tmp_path: Path) -> None:
    """As where a name or a data folder is a typo, and two deployments are on one host."""
    home = tmp_path / "mlflow"
    own(home, name="team-a").make()
    told = only(own(home, name="team-b"))
    assert told.startswith(
        f"{home} is the folder of the deployment team-a, and this one is team-b: set mlflow_data_dir"
    )
    for dry_run in (True, False):
        with pytest.raises(BadInput, match="is the folder of the deployment team-a"):
            remove(str(home), [f"{home}/server", f"{home}/artifacts"], dry_run, "team-b")
    assert (home / "server").exists() and (home / "artifacts").exists()
    own(home, data=[f"{home}/backup"], name="team-a").make()
    assert own(home, name="team-a").make() == []
    assert remove(str(home), [f"{home}/server"], name="team-a").removed == [f"{home}/server"]
    assert only(own(home, name="team-b")) == told, "also after a part of it was removed"


def test_a_deployment_of_an_older_collection_says_its_name_from_the_next_deploy_on(tmp_path: Path) -> None:
    home = tmp_path / "mlflow"
    own(home).make()
    assert own(home, name="team-a").make(dry_run=True) == own(home, name="team-b").make(dry_run=True) == []
    assert own(home, name="team-a").make() == []
    assert only(own(home, name="team-b")).startswith(f"{home} is the folder of the deployment team-a")
