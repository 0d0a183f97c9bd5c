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
