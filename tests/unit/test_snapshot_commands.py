"""What the modules of snapshots return, and what mlflow-ops prints, on a small deployment."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import cli, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import commands, verify
from support.documentation import RESERVED, documented
from support.playbooks import REPOSITORY
from support.snapshots import Small


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def settings(small: Small, **more: Any) -> dict[str, Any]:
    secret = small.home / "flask-secret-key"
    secret.write_text("s3cret\n")
    return {
        "destination": small.place.uri,
        "name": "small",
        "database_uri": f"sqlite:///{small.database}",
        "artifacts_uri": str(small.artifacts),
        "secrets": {"flask-secret-key": str(secret)},
        "journal_dir": str(small.home / "operator"),
        **more,
    }


def keys(module: str) -> set[str]:
    return set(documented(REPOSITORY / f"plugins/modules/{module}.py"))


def test_results_are_those_that_the_modules_document(small: Small) -> None:
    given = settings(small)
    taken = commands.create_backup(given, check=False)
    inner = documented(REPOSITORY / "plugins/modules/mlflow_backup.py")["snapshot"]["contains"]
    assert set(taken["snapshot"]) == set(inner)
    results = {
        "mlflow_backup": taken | commands.prune_snapshots(given, check=False),
        "mlflow_backup_info": commands.describe(given, verify="all"),
        "mlflow_restore": commands.restore_snapshot(given, check=False)
        | commands.restore_snapshot(given | {"state": "cleaned", "replaced": []}, check=False),
    }
    for module, result in results.items():
        assert set(result) - {"changed"} == keys(module), module
        assert RESERVED & set(result) == set()
        json.dumps(result)


def test_check_mode_looks_and_writes_nothing(small: Small) -> None:
    assert commands.create_backup(settings(small), check=True) == {"changed": True}
    assert not Path(small.place.uri).exists()
    small.backup()
    before = small.state()
    report = commands.restore_snapshot(settings(small), check=True)
    assert (report["changed"], report["rows"], report["artifacts"]) == (True, {}, 0)
    assert commands.restore_snapshot(settings(small, drill=True), check=True)["changed"] is False
    assert (small.state(), small.litter()) == (before, [])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    code = cli.main(arguments)
    said = capsys.readouterr()
    return code, protocol.result_of(said.out), said.err


def test_the_commands_do_what_the_modules_do(small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, last = tmp_path / "settings.json", tmp_path / "last.json"
    file.write_text(json.dumps(settings(small, max_age_hours=26, result_file=str(last), keep_days=30)))
    code, result, said = run(capsys, "backup", "--settings", str(file), "--prune")
    assert code == 0 and result["snapshot"]["name"] == "small" and result["pruned"]["removed"] == []
    assert result["changed"], "pruning nothing does not undo what was written"
    assert "Dumped the tracking database" in said and "new, in" in said  # progress, apart from the result
    code, result, _said = run(capsys, "backup-info", "--settings", str(file), "--verify", "all")
    assert (code, result["healthy"], result["last_run"]["failed_run"]) == (0, True, False)
    small.add_rows(1)
    code, result, _said = run(capsys, "drill", "--settings", str(file))
    assert (code, result["live_rows"]["tracking"]["metrics"]) == (0, 20_001)
    code, result, _said = run(capsys, "restore", "--settings", str(file))
    assert (code, result["rows"]["tracking"]["metrics"], result["secrets"]) == (0, 20_000, {"flask-secret-key": "same"})


@pytest.mark.parametrize("written", ["[" * 100_000, "[1]", "null", '{"a": 1', " " * 2_000_000 + "{}", "\udcff"])
def test_a_note_of_the_last_run_that_no_backup_writes_is_one_sentence(written: str, tmp_path: Path) -> None:
    """The service user may write it."""
    last = tmp_path / "last.json"
    last.write_bytes(written.encode("utf-8", "surrogateescape"))
    with pytest.raises(EngineError, match=r"The result of the last backup, .*last\.json, cannot be read"):
        commands._last_run(str(last))


def test_a_failed_backup_is_remembered_and_found(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, last = tmp_path / "settings.json", tmp_path / "last.json"
    file.write_text(json.dumps(settings(small, result_file=str(last))))
    assert run(capsys, "backup", "--settings", str(file))[0] == 0
    file.write_text(json.dumps(settings(small, result_file=str(last), artifacts_uri="/nowhere")))
    code, result, _said = run(capsys, "backup", "--settings", str(file))
    assert code == 1 and "/nowhere, does not exist" in result["msg"]
    code, result, _said = run(capsys, "backup-info", "--settings", str(file))
    assert code == 1 and not result["healthy"]
    assert "the last backup failed at" in result["problems"][0] and "/nowhere" in result["problems"][0]


def test_an_overdue_backup_is_a_problem(small: Small) -> None:
    assert commands.describe(settings(small, max_age_hours=26))["problems"] == ["there is no snapshot"]
    assert commands.describe(settings(small))["healthy"] is True  # nobody asked how old


@pytest.mark.parametrize(("hours", "words"), [(0.5, None), (-30, "is 30.0 h old"), (48, "which is yet to come")])
def test_a_snapshot_from_the_future_does_not_hide_that_backups_have_stopped(hours: float, words: str | None) -> None:
    created = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="milliseconds")
    due = verify.overdue({"created": created}, 26)
    assert due is None if words is None else words in str(due)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"destination": ""}, "destination is empty"),
        ({"destination": "gs://bucket"}, "is no place for objects"),
        ({"database_uri": "", "artifacts_uri": ""}, "there is nothing to do"),
        ({"max_hours": "many"}, "max_hours must be a number"),
        ({"max_hours": "nan"}, "max_hours must be a number"),
        ({"jobs": "inf"}, "jobs must be a whole number"),
        ({"jobs": 0}, "jobs is 0; it must be at least 1"),
        ({"keep_days": -1}, "keep_days is -1; it must be at least 0"),
        ({"secrets": {"kek": "/nowhere/kek"}}, "/nowhere/kek cannot be read"),
        ({"database_uri": "postgresql://u:p@h/d"}, "holds a password"),
    ],
)
def test_wrong_settings_are_refused_by_name(small: Small, change: dict[str, Any], words: str) -> None:
    assert small.store
    given = settings(small) | change
    with pytest.raises(BadInput, match=words):
        (commands.prune_snapshots if "keep_days" in change else commands.create_backup)(given, check=True)


def test_settings_with_an_unknown_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text('{"destinaton": "/x"}')
    with pytest.raises(BadInput, match="unknown keys: destinaton"):
        commands.read(str(tmp_path / "s"))


def test_secrets_of_a_destination_come_from_files_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("MLFLOW_BACKUP_SECRET_KEY", "from-environment")
    place = commands.destination({"destination": "s3://b", "access_key_file": str(tmp_path / "key")})
    assert (place.access_key, place.secret_key) == ("from-file", "from-environment")
    assert "from-" not in repr(place)
