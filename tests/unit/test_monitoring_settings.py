"""What the exporter is told, from the variables of its role and the connections of the deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import monitoring_settings
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.settings import Settings

OPTIONS: dict[str, Any] = {
    "name": "mlflow",
    "host": "127.0.0.1",
    "port": "9500",
    "public": False,
    "interval": "60",
    "drill_days": "31",
    "env": {},
    "prometheus_dir": "",
    "data_dir": "/srv/mlflow",
}
DATABASE = {
    "uri": "postgresql+psycopg://mlflow@db/mlflow",
    "auth_uri": "postgresql+psycopg://mlflow@db/mlflow_auth",
    "secrets": {"PGPASSWORD": {"file": "/s/password"}},
    "owner": {"uri": "postgresql+psycopg://owner@db/mlflow", "secrets": {"PGPASSWORD": {"file": "/s/owner"}}},
}
STORE = {
    "type": "external_s3",
    "uri": "s3://bucket/prefix",
    "env": {"MLFLOW_S3_ENDPOINT_URL": "https://s3.example.com", "AWS_CA_BUNDLE": "/run/mlflow-ca/artifacts.crt"},
    "secrets": {"AWS_ACCESS_KEY_ID": {"file": "/s/id"}, "AWS_SECRET_ACCESS_KEY": {"file": "/s/key"}},
}
SERVER = {
    "version": "3.17.2",
    "profile": "full",
    "env": {"MLFLOW_TRACKING_USERNAME": "admin"},
    "runner": {
        "type": "host",
        "published": "https://127.0.0.1:5000",
        "options": {
            "url": "https://127.0.0.1:5000",
            "validate_certs": False,
            "username": "admin",
            "password_file": "/s/admin",
            "artifacts": "",
        },
    },
    "workload": {"python": "/srv/mlflow/python"},
}
BACKUP: dict[str, Any] = {
    "schedule": "0 2 * * *",
    "object": "mlflow-backup",
    "settings": {
        "destination": "/srv/backup",
        "name": "mlflow",
        "result_file": "/srv/mlflow/operations/run/last-backup.json",
        "database_password_file": "/s/owner",
        "keep_days": 30,
    },
    "places": {},
}
IN_CLUSTER = {
    "type": "kubernetes",
    "inside": "https://mlflow.team.svc:5000",
    "login": {"username": "admin", "secret": "mlflow-auth", "key": "admin-password"},
    "options": {"url": "https://127.0.0.1:5000", "ca_path": "/run/mlflow-ca/server.crt"},
}


def told(
    platform: str = "host",
    server: Mapping[str, Any] = SERVER,
    store: Mapping[str, Any] = STORE,
    backup: Mapping[str, Any] = BACKUP,
    database: Mapping[str, Any] = DATABASE,
    **options: Any,
) -> monitoring_settings.MonitoringSettings:
    return monitoring_settings.compute({**OPTIONS, **options}, database, store, server, backup, platform)


def in_cluster(workload: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {**SERVER, "runner": IN_CLUSTER, "workload": workload or {"kind": "Deployment"}}


def placed(secret: str) -> dict[str, dict[str, str]]:
    return {"PGPASSWORD": {"secret": secret, "key": "password"}}


def test_a_host_is_told_all_that_is_on_it() -> None:
    found = told()
    settings = found.settings
    assert settings["server"] == {
        "url": "https://127.0.0.1:5000",
        "validate_certs": False,
        "username": "admin",
        "password_file": "/s/admin",
    }
    assert settings["database"] == {
        **{name: DATABASE[name] for name in ("uri", "auth_uri")},
        "password_file": "/s/password",
    }
    assert settings["artifacts"]["artifacts_access_key_file"] == "/s/id"
    assert settings["snapshots"] == {
        "destination": "/srv/backup", "name": "mlflow", "result_file": BACKUP["settings"]["result_file"]
    }  # fmt: skip
    assert (settings["snapshot_seconds"], settings["drill_seconds"]) == (86400, 31 * 86400)
    assert settings["disks"] == {"data": "/srv/mlflow", "backup": "/srv/backup"}
    assert settings["certificates"] == {"server": "https://127.0.0.1:5000"}
    assert (found.target, found.copies, found.binds) == ("127.0.0.1:9500", {}, [])


@pytest.mark.parametrize("platform", ["host", "compose", "kubernetes"])
def test_the_exporter_can_read_what_it_is_told(platform: str, tmp_path: Any) -> None:
    server = in_cluster() if platform == "kubernetes" else SERVER
    file = tmp_path / "monitoring.json"
    file.write_text(json.dumps(told(platform, server).settings))
    assert Settings.read(str(file)).name == "mlflow"


def test_no_secret_is_told_and_that_of_the_owner_is_not_even_named() -> None:
    for platform in ("host", "compose"):
        found = told(platform)
        assert "/s/owner" not in json.dumps(found.as_dict())
    places = {"PGPASSWORD": {"secret": "mlflow-database", "key": "owner-password"}}
    backup = {**BACKUP, "settings": {"destination": "s3://backups/x"}, "places": places}
    assert "owner-password" not in json.dumps(told("kubernetes", in_cluster(), backup=backup).as_dict())


def test_a_container_finds_files_of_its_host_under_names_of_their_own() -> None:
    found = told("compose")
    assert found.copies == {
        "secrets/server_password_file": "/s/admin",
        "secrets/database_password_file": "/s/password",
        "secrets/artifacts_artifacts_access_key_file": "/s/id",
        "secrets/artifacts_artifacts_secret_key_file": "/s/key",
    }
    assert found.settings["server"]["password_file"] == "/run/secrets/server_password_file"
    assert "result_file" not in found.settings["snapshots"]
    assert found.binds == [{"type": "volume", "read_only": True, "source": "mlflow-backup", "target": "/srv/backup"}]
    assert found.settings["listen"] == "0.0.0.0" and found.target == "127.0.0.1:9500"


def test_a_pod_trusts_whom_the_servers_clients_trust_and_asks_by_their_service() -> None:
    trusted = {"server.crt": {"secret": "mlflow-ca", "key": "ca.crt"}}
    database = {**DATABASE, "secrets": placed("mlflow-database"), "ca": {"secret": "mlflow-ca", "key": "ca.crt"}}
    found = told("kubernetes", in_cluster({"kind": "Deployment", "trusted": trusted}), database=database)
    assert found.trusted == {**trusted, "database.crt": {"secret": "mlflow-ca", "key": "ca.crt"}}
    assert found.settings["server"] == {
        "url": "https://mlflow.team.svc:5000", "ca_path": "/run/mlflow-ca/server.crt", "username": "admin"
    }  # fmt: skip
    assert found.settings["certificates"] == {
        "authority": "/run/mlflow-ca/server.crt", "server": "https://mlflow.team.svc:5000"
    }  # fmt: skip
    named = {one["name"]: one.get("valueFrom", {}).get("secretKeyRef") for one in found.env_of_pod}
    assert named["PGPASSWORD"] == {"name": "mlflow-database", "key": "password"}
    assert named["MLFLOW_TRACKING_PASSWORD"] == {"name": "mlflow-auth", "key": "admin-password"}


def test_a_company_s_own_authority_reaches_the_exporter_on_every_platform() -> None:
    env = {"SSL_CERT_FILE": "/etc/ssl/50 %.pem"}
    for platform in ("host", "compose", "kubernetes"):
        found = told(platform, in_cluster() if platform == "kubernetes" else SERVER, env=env)
        assert found.env["SSL_CERT_FILE"] == env["SSL_CERT_FILE"] and found.env["AWS_CA_BUNDLE"]
    assert 'Environment="SSL_CERT_FILE=/etc/ssl/50 %%.pem"' in found.env_of_unit.splitlines()
    assert 'SSL_CERT_FILE="/etc/ssl/50 %%.pem"' in found.env_of_program.split(",")
    with pytest.raises(BadInput, match="mlflow_monitoring_env"):
        told(env={"A": "b\nUser=root"})


def test_a_server_that_sleeps_is_not_woken() -> None:
    found = told("kubernetes", in_cluster({"kind": "KnativeService"}))
    assert found.settings["server"] == {} and found.settings["database"]["uri"]


@pytest.mark.parametrize(
    ("store", "seen"),
    [
        ({"uri": "/artifacts", "claim": "mlflow", "access_mode": "ReadWriteOnce"}, False),
        ({"uri": "/artifacts", "claim": "mlflow", "access_mode": "ReadWriteMany"}, True),
    ],
)
def test_a_volume_that_one_node_alone_can_mount_stays_the_servers(store: dict[str, str], seen: bool) -> None:
    found = told("kubernetes", in_cluster(), store=store)
    assert bool(found.mounts) == bool(found.volumes) == bool(found.settings["artifacts"]) == seen
    assert set(found.settings["disks"]) == ({"artifacts"} if seen else set())


@pytest.mark.parametrize(
    ("destination", "places", "seen"),
    [
        ("s3://backups/x", {"MLFLOW_BACKUP_ACCESS_KEY": {"secret": "b", "key": "access-key"}}, True),
        # Only the identity of backups may enter the bucket.
        ("s3://backups/x", {"PGPASSWORD": {"secret": "d", "key": "owner-password"}}, False),
        ("/mnt/backup", {"MLFLOW_BACKUP_ACCESS_KEY": {"secret": "b", "key": "access-key"}}, False),
    ],
)
def test_in_a_cluster_snapshots_are_measured_where_they_can_be_seen(
    destination: str, places: dict[str, dict[str, str]], seen: bool
) -> None:
    backup = {**BACKUP, "settings": {"destination": destination, "name": "mlflow"}, "places": places}
    found = told("kubernetes", in_cluster(), backup=backup)
    assert bool(found.settings["snapshots"]) == bool(found.settings["snapshot_seconds"]) == seen
    assert ("MLFLOW_BACKUP_ACCESS_KEY" in {one["name"] for one in found.env_of_pod}) == seen


def test_without_backups_nothing_is_said_of_them() -> None:
    found = told(backup={}).settings
    assert (found["snapshots"], found["snapshot_seconds"], found["drill_seconds"]) == ({}, 0, 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "0.0.0.0"}, "mlflow_monitoring_host is '0.0.0.0'"),
        ({"host": "metrics.example.com"}, "mlflow_monitoring_public"),
        ({"port": "http"}, "mlflow_monitoring_port"),
        ({"port": 0}, "mlflow_monitoring_port"),
        ({"interval": 1}, "mlflow_monitoring_interval"),
        ({"drill_days": -1}, "mlflow_monitoring_drill_days"),
        ({"env": ["A=b"]}, "mlflow_monitoring_env"),
        ({"prometheus_dir": "etc"}, "mlflow_monitoring_prometheus_dir"),
        ({"server": {}}, "mlflow_monitoring_server"),
    ],
)
def test_what_it_could_not_run_with_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        told(**changes)


FLEET: dict[str, Any] = {"name": "t", "namespace": "team", "instances": [], "count": "3", "pattern": "t-#"}


@pytest.mark.parametrize(
    ("platform", "changes", "words"),
    [
        ("host", {}, "a fleet is measured on the platform kubernetes alone, and this is 'host'"),
        ("kubernetes", {"fleet": {**FLEET, "count": "many"}}, "mlflow_fleet_count"),
        (
            "kubernetes",
            {"fleet": {"name": "t", "count": 3}},
            "fleet lacks namespace, instances, pattern",
        ),
        ("kubernetes", {"interval": 1}, "mlflow_monitoring_interval"),
        ("kubernetes", {"env": ["A=b"]}, "mlflow_monitoring_env"),
    ],
)
def test_a_fleet_that_could_not_be_measured_is_refused(platform: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=f"(?i){words}"):
        monitoring_settings.compute({**OPTIONS, "fleet": FLEET, **changes}, {}, {}, {}, {}, platform)


def test_a_fleet_has_neither_data_nor_a_server_of_its_own() -> None:
    found = monitoring_settings.compute({**OPTIONS, "fleet": FLEET}, DATABASE, STORE, SERVER, BACKUP, "kubernetes")
    assert {"server", "database", "artifacts", "snapshots"} & set(found.settings) == set()
    assert found.settings["fleet"] == {"namespace": "team", "instances": [], "count": 3, "pattern": "t-#"}
    assert found.mounts == found.volumes == found.binds == []
    assert [one["name"] for one in found.env_of_pod] == ["MLFLOW_DISABLE_TELEMETRY"]


def test_other_hosts_are_let_in_only_where_that_is_said() -> None:
    assert told(host="::1").target == "[::1]:9500"
    assert told(host="10.0.0.5", public=True).settings["listen"] == "10.0.0.5"
