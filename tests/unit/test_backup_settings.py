"""What a backup is told, from the variables of its role and the connections of what it backs up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import backup_settings, protocol, schedule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput

OPTIONS: dict[str, Any] = {
    **dict.fromkeys(("endpoint", "region", "encryption", "kms_key", "account", "account_key_file", "secret"), ""),
    "destination": "s3://backups/mlflow",
    "access_key_file": "/keys/id",
    "secret_key_file": "/keys/key",
    "name": "mlflow",
    "schedule": "0 2 * * *",
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("destination", "s3://key:hunter2@backups/mlflow"),
        ("destination", "az://backups/mlflow?sig=hunter2"),
        ("endpoint", "https://key:hunter2@s3.example.com"),
        ("endpoint", "https://hunter2@s3.example.com"),
        ("destination", "s3://key:a/hunter2@bucket"),
    ],
)
def test_no_secret_gets_into_what_a_schedule_is_told(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"^mlflow_backup_{name} holds (a password|credentials)") as refused:
        changes: dict[str, Any] = {name: value}
        told(**changes)
    assert "hunter2" not in str(refused.value)


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


def test_a_pod_finds_what_the_databases_own_snapshots_pass_through() -> None:
    place = {"secret": "store-keys", "key": "access-key"}
    repository = {"env": {"CRATEDB_REPOSITORY": "s3://b/a"}, "secrets": {"CRATEDB_REPOSITORY_ACCESS_KEY": place}}
    store = {"uri": "s3://models", "env": {"AWS_CA_BUNDLE": "/ca", "AWS_DEFAULT_REGION": "here"}}
    found = backup_settings.compute(OPTIONS, {**DATABASE, "repository": repository}, store, SERVER, "kubernetes")
    assert found.places == {"CRATEDB_REPOSITORY_ACCESS_KEY": place}
    assert found.env == [
        {
            "name": "CRATEDB_REPOSITORY_ACCESS_KEY",
            "valueFrom": {"secretKeyRef": {"name": "store-keys", "key": "access-key"}},
        },
        {"name": "AWS_CA_BUNDLE", "value": "/ca"},
        {"name": "CRATEDB_REPOSITORY", "value": "s3://b/a"},
        {"name": "TMPDIR", "value": "/scratch"},
    ]
    assert found.pinned == [], "a bucket is on no node"


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


@pytest.mark.parametrize(
    ("schedule", "cron", "calendar"),
    [
        ("0 2 * * *", "0 2 * * *", "*-*-* 2:0:00 UTC"),
        ("0 */6 * * *", "0 0,6,12,18 * * *", "*-*-* 0,6,12,18:0:00 UTC"),
        ("30 22-23 * * 1-5", "30 22,23 * * 1,2,3,4,5", "Mon,Tue,Wed,Thu,Fri *-*-* 22,23:30:00 UTC"),
        ("0 2 * * sat,7", "0 2 * * 0,6", "Sun,Sat *-*-* 2:0:00 UTC"),
        ("0 2 * * 1-7", "0 2 * * *", "*-*-* 2:0:00 UTC"),
        ("*/20 2 1-31/10 Jan-Feb *", "0,20,40 2 1,11,21,31 1,2 *", "*-1,2-1,11,21,31 2:0,20,40:00 UTC"),
    ],
)
def test_a_schedule_means_the_same_to_cron_and_to_systemd(schedule: str, cron: str, calendar: str) -> None:
    found = told(schedule=schedule)
    assert (" ".join(found.cron), found.calendar) == (cron, calendar)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("0 2 * * *", 24),
        ("0 */6 * * *", 6),
        ("0 2,3 * * *", 23),
        ("0 2 * * 1-5", 72),
        ("30 2 1 * *", 31 * 24),
        ("* * * * *", 1 / 60),
        ("0 0 29 2 *", (3 * 365 + 366) * 24),
    ],
)
def test_a_schedule_promises_a_longest_time_between_two_backups(text: str, hours: float) -> None:
    assert schedule.Schedule.parse(text, "mlflow_backup_schedule").longest_gap == hours * 3600


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("@daily", "must be five fields"),
        ("0 2 * *", "must be five fields"),
        ("a b c d e", "its minute, a, is none"),
        ("60 2 * * *", "its minute, 60, is not within 0 to 59"),
        ("0 24 * * *", "its hour, 24, is not within 0 to 23"),
        ("0 2 0 * *", "its day of the month, 0, is not"),
        ("0 2 30-1 * *", "30-1, is not within"),
        ("0 */0 * * *", "its hour, \\*/0, is none"),
        ("0 5/2 * * *", "write 5-23/2"),
        ("0 ٣ * * *", "its hour, ٣, is none"),
        ("0 2 L * *", "its day of the month, l, is none"),
        ("0 2 * * mon#1", "its day of the week, mon#1, is none"),
        ("0 2 1 * 1", "cron takes either and systemd both"),
    ],
)
def test_a_schedule_that_no_scheduler_takes_or_each_in_its_way_is_refused(schedule: str, words: str) -> None:
    with pytest.raises(BadInput, match=f"mlflow_backup_schedule is .*{words}"):
        told(schedule=schedule)


@pytest.mark.parametrize("name", ["keep_days", "keep_count", "max_hours", "max_age_hours", "jobs"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "1_0", "٣", True, None, "", [1], -1])
def test_a_number_that_backups_could_not_run_with_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"mlflow_backup_{name} (must be a|is )"):
        changes: dict[str, Any] = {name: value}
        told(**changes)


@pytest.mark.parametrize(
    "name", ["destination", "access_key_file", "secret_key_file", "account_key_file", "pg_bindir", "scratch_dir"]
)
@pytest.mark.parametrize("value", ["~/keys", "relative/keys", "/keys/a\nb", "/keys/%h", "/keys/$HOME", '/keys/"a"'])
@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
def test_a_path_that_the_programs_of_a_schedule_would_read_differently_is_refused(
    name: str, value: Any, platform: str
) -> None:
    with pytest.raises(BadInput, match=f"mlflow_backup_{name} is "):
        told(platform, **{name: value})


def test_a_further_secret_is_a_path_as_well() -> None:
    with pytest.raises(BadInput, match="mlflow_backup_secrets kek is "):
        told(secrets={"kek": "kek.txt"})
