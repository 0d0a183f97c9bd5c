"""The files of a compose project: what is written, who may read it, and what a check run says."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.compose import files
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput

FILES = {"compose.yaml": "services: {}\n", "configuration/launch.json": "{}\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "server"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "password"


def mode(path: Path) -> str:
    return oct(path.stat().st_mode)[-3:]


def test_all_is_written_once_and_then_nothing(folder: Path, password: Path) -> None:
    copies = {"secrets/server/PGPASSWORD": str(password)}
    first = files.ensure(folder, FILES, copies, [str(password)])
    assert (first["existed"], sorted(first["written"])) == (False, sorted([*FILES, *copies]))
    assert first["generated"] == [str(password)]
    kept = password.read_text()
    assert len(kept) == 43 and (folder / "secrets/server/PGPASSWORD").read_text() == kept
    second = files.ensure(folder, FILES, copies, [str(password)])
    assert second == {"existed": True, "written": [], "generated": [], "before": {}, "after": {}}
    assert password.read_text() == kept, "a generated secret is never made anew"


def test_only_the_owner_can_reach_a_secret_and_a_container_can_read_it(folder: Path, password: Path) -> None:
    files.ensure(folder, FILES, {"secrets/server/PGPASSWORD": str(password)}, [str(password)])
    assert mode(folder) == mode(password.parent) == "700" and mode(password) == "600"
    assert mode(folder / "secrets/server") == "755" and mode(folder / "secrets/server/PGPASSWORD") == "444"
    (folder / "secrets/server/PGPASSWORD").chmod(0o600)
    folder.chmod(0o755)
    files.ensure(folder, FILES, {"secrets/server/PGPASSWORD": str(password)}, [])
    assert mode(folder) == "700" and mode(folder / "secrets/server/PGPASSWORD") == "444"


def test_a_copy_of_a_key_that_is_not_needed_any_more_is_removed_and_nothing_else(folder: Path, password: Path) -> None:
    key = "load-balancer/certificate.pem.key"
    files.ensure(folder, FILES, {key: str(password)}, [str(password)], ["load-balancer"])
    (folder / "backup.log").write_text("of others")
    assert files.ensure(folder, FILES, {}, [], ["load-balancer", "none"], dry_run=True)["written"] == [key]
    assert (folder / key).exists()
    assert files.ensure(folder, FILES, {}, [], ["load-balancer"])["written"] == [key]
    assert not (folder / key).exists() and (folder / "backup.log").exists() and password.exists()
    assert files.ensure(folder, FILES, {}, [], ["load-balancer"])["written"] == []


def test_what_changed_is_named_and_secrets_are_in_no_difference(folder: Path, password: Path) -> None:
    copies = {"secrets/PGPASSWORD": str(password)}
    files.ensure(folder, FILES, copies, [str(password)])
    password.write_text("another one")
    changed = files.ensure(folder, {**FILES, "compose.yaml": "services: {a: {}}\n"}, copies, [])
    assert changed["written"] == ["compose.yaml", "secrets/PGPASSWORD"]
    assert (changed["before"], changed["after"]) == (
        {"compose.yaml": "services: {}\n"},
        {"compose.yaml": "services: {a: {}}\n"},
    )
    assert (folder / "secrets/PGPASSWORD").read_text() == "another one"


def test_a_check_run_says_the_same_and_writes_nothing(folder: Path, password: Path, tmp_path: Path) -> None:
    copies = {"secrets/PGPASSWORD": str(password)}
    would = files.ensure(folder, FILES, copies, [str(password)], dry_run=True)
    assert list(tmp_path.iterdir()) == []
    did = files.ensure(folder, FILES, copies, [str(password)])
    assert would["written"] == did["written"] and would["generated"] == did["generated"]
    assert files.ensure(folder, FILES, copies, [str(password)], dry_run=True)["written"] == []
    password.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        files.ensure(folder, FILES, copies, [], dry_run=True)


def test_a_check_run_before_the_first_deployment_knows_that_another_role_generates_secrets(
    folder: Path, password: Path
) -> None:
    assert files.ensure(folder, FILES, {"secrets/x": str(password)}, [], dry_run=True)["written"][-1] == "secrets/x"


def test_a_secret_that_is_nowhere_is_named(folder: Path, password: Path) -> None:
    with pytest.raises(BadInput, match=r"password, which is to hold a secret, cannot be read: No such file"):
        files.ensure(folder, FILES, {"secrets/PGPASSWORD": str(password)}, [])
    assert not folder.exists(), "nothing was written"


def test_nothing_is_left_of_a_write_that_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.ensure(folder, FILES, {}, [])
    assert [path for path in folder.rglob("*") if path.is_file()] == []


OURS = {"compose.yaml": "name: mlflow-server\nservices: {}\n"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compose.yaml", "name: shop-server\nservices: {}\n"),
        ("compose.yaml", "services: {web: {image: shop}}\n"),
        ("compose.yaml", "# name: mlflow-server\nservices:\n  name: mlflow-server\n"),
        ("notes.txt", "of somebody"),
        ("secrets/key", "of somebody"),
    ],
)
def test_a_folder_of_somebody_else_is_neither_written_to_nor_removed(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(text)
    for dry_run in (True, False):
        with pytest.raises(BadInput, match="did not put there"):
            files.ensure(folder, OURS, {}, [], ["secrets"], dry_run, project="mlflow-server")
        assert files.remove(folder, "mlflow-server", [], dry_run) == []
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / name]
    assert (folder / name).read_text() == text


def test_a_link_to_a_project_is_not_the_project(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "elsewhere.yaml").write_text(OURS["compose.yaml"])
    (folder / "compose.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert files.remove(folder, "mlflow-server", []) == []


def test_what_was_written_is_removed_whole_and_secrets_when_that_is_meant(
    folder: Path, password: Path, tmp_path: Path
) -> None:
    copies = {"secrets/server/PGPASSWORD": str(password)}
    files.ensure(folder, OURS, copies, [str(password)], project="mlflow-server")
    files.ensure(folder, OURS, copies, [str(password)], project="mlflow-server")
    (folder / "backup.log").write_text("of a backup that ran")
    assert files.remove(folder, "mlflow-server", [], dry_run=True) == [str(folder)] and folder.exists()
    assert files.remove(folder, "mlflow-server", []) == [str(folder)]
    assert not folder.exists() and password.exists()
    (password.parent / "of-others").touch()
    lost = str(tmp_path / "secrets" / "never-made")
    assert files.remove(folder, "mlflow-server", [str(password), lost]) == [str(password)]
    assert [path.name for path in password.parent.iterdir()] == ["of-others"]


def test_a_first_write_and_a_removal_that_were_killed_are_gone_on_with(folder: Path) -> None:
    folder.mkdir()
    (folder / ".compose.yaml-a1b2c3").touch()
    files.ensure(folder, OURS, {}, [], project="mlflow-server")
    (folder / "secrets").mkdir()
    (folder / "secrets").rmdir()
    assert files.remove(folder, "mlflow-server", []) == [str(folder)]
