"""What a backup is told, from the variables of its role and the connections of what it backs up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import backup_settings, protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput

OPTIONS: dict[str, Any] = {
    **dict.fromkeys(("endpoint", "region", "encryption", "kms_key", "account", "account_key_file", "secret"), ""),
    "destination": "s3://backups/mlflow",
    "access_key_file": "/keys/id",
    "secret_key_file": "/keys/key",
    "name": "mlflow",
    "keep_days": "30",
    "keep_count": "7",
    "max_hours": 24,
    "max_age_hours": 26,
    "secrets": {},
    "pg_bindir": "",
    "jobs": "2",
    "scratch_dir": "",
    "result_file": "/run/last.json",
}
DATABASE = {
    "uri": "postgresql+psycopg://mlflow@db/mlflow",
    "secrets": {"PGPASSWORD": {"file": "/s/password"}},
    "owner": {
        "uri": "postgresql+psycopg://owner@db/mlflow",
        "auth_uri": "postgresql+psycopg://owner@db/mlflow_auth",
        "secrets": {"PGPASSWORD": {"file": "/s/owner"}},
    },
}
SERVER = {
    "version": "3.17.2",
    "env": {"MLFLOW_TRACKING_USERNAME": "admin"},
    "restored_secrets": {"flask": {"file": "/s/flask"}},
}


def told(platform: str = "host", store: dict[str, Any] | None = None, **changes: Any) -> backup_settings.BackupSettings:
    server = changes.pop("server", SERVER)
    return backup_settings.compute(OPTIONS | changes, DATABASE, store or {}, server, platform)


def test_the_owner_of_the_database_reads_it_and_the_server_is_granted_what_is_restored() -> None:
    settings = told().settings
    assert settings["database_uri"] == DATABASE["owner"]["uri"]  # type: ignore[index]
    assert settings["database_password_file"] == "/s/owner"
    assert settings["auth_uri"].endswith("mlflow_auth") and settings["grantee"] == "mlflow"


def test_users_are_backed_up_where_there_are_some() -> None:
    assert "auth_uri" not in told(server={"version": "3.17.2"}).settings


def test_what_is_empty_is_left_out_and_numbers_may_be_strings() -> None:
    settings = told().settings
    assert "region" not in settings and "pg_bindir" not in settings
    assert (settings["keep_days"], settings["keep_count"], settings["jobs"]) == (30.0, 7, 2)
    with pytest.raises(BadInput, match="mlflow_backup_keep_days must be a number, and is 'many'"):
        told(keep_days="many")


@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
def test_every_setting_is_one_that_operations_know(platform: str) -> None:
    assert set(told(platform).settings) <= protocol.SETTINGS


def test_a_container_finds_every_secret_below_one_folder() -> None:
    found = told("compose", secrets={"token": "/s/token"})
    assert found.copies["secrets/access_key_file"] == "/keys/id" and found.copies["secrets/token"] == "/s/token"
    assert found.inside["access_key_file"] == "/run/secrets/access_key_file"
    assert found.inside["secrets"] == {"flask": "/run/secrets/flask", "token": "/run/secrets/token"}
    assert "result_file" not in found.settings, "a container's is lost with it"
    assert not [value for value in found.inside.values() if str(value).startswith(("/keys", "/s/"))]


def test_a_pod_has_secrets_in_its_environment() -> None:
    store = {"uri": "s3://models", "secrets": {"AWS_ACCESS_KEY_ID": {"secret": "artifacts", "key": "access-key"}}}
    server = {"restored_secrets": {"flask-secret-key": {"secret": "auth", "key": "flask"}}}
    found = told("kubernetes", store, secret="backup", access_key_file="", secret_key_file="", server=server)
    assert found.places == {
        "AWS_ACCESS_KEY_ID": {"secret": "artifacts", "key": "access-key"},
        "MLFLOW_BACKUP_ACCESS_KEY": {"secret": "backup", "key": "access-key"},
        "MLFLOW_BACKUP_SECRET_KEY": {"secret": "backup", "key": "secret-key"},
    }
    assert found.settings["secrets"] == {"flask-secret-key": "/run/secrets/mlflow/flask-secret-key"}
    azure = told("kubernetes", secret="backup", destination="az://backups")
    assert azure.places == {"MLFLOW_BACKUP_ACCOUNT_KEY": {"secret": "backup", "key": "account-key"}}


def test_artifacts_in_azure_blob_are_read_with_the_key_of_their_account() -> None:
    store = {
        "uri": "wasbs://models@team.blob.core.windows.net",
        "env": {"AZURE_STORAGE_ACCOUNT": "team"},
        "secrets": {"AZURE_STORAGE_ACCESS_KEY": {"file": "/s/azure"}},
    }
    settings = told(store=store).settings
    assert (settings["artifacts_account"], settings["artifacts_account_key_file"]) == ("team", "/s/azure")


def test_a_backup_shares_a_node_with_whose_volume_only_one_can_mount() -> None:
    alone = {"access_mode": "ReadWriteOnce"}
    database = {**DATABASE, "repository": {"claim": "db-repository", **alone}}

    def pinned(database: dict[str, Any], store: dict[str, Any], **server: Any) -> list[str]:
        found = backup_settings.compute(OPTIONS, database, store, {**SERVER, **server}, "kubernetes").pinned
        assert all(term["topologyKey"] == "kubernetes.io/hostname" for term in found)
        return [term["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] for term in found]

    assert pinned(DATABASE, {}) == []
    assert pinned(database, {}) == ["database"]
    assert pinned(database, alone) == ["server", "database"]
    assert pinned(DATABASE, alone, workload={"kind": "KnativeService"}) == [], "it may be on none"
    assert pinned({**database, "repository": {"access_mode": "ReadWriteMany"}}, {}) == []
