"""What an operation on a fleet is told, from the connections of its sample."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.fleet_operation import fleet_operation
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_connection import (
    postgresql_connection,
)

SAMPLE = "fleet-sample"
VARIABLES = {
    "name": "tenants",
    "sample": SAMPLE,
    "backup_min_age_hours": "12",
    "health_level": "deep",
    "migrate": "false",
    "database_admin_uri": "postgresql+psycopg://postgres@db/postgres",
    "database_admin_secret": "administrator",
    "databases_state": "present",
}
SERVER = {
    "runner": {"options": {"url": f"http://{SAMPLE}.tenants.svc.cluster.local", "database_uri": "", "artifacts": ""}}
}
LOGIN = {
    "runner": {**SERVER["runner"], "login": {"username": "boss", "secret": f"{SAMPLE}-auth", "key": "admin-password"}}
}


def database(secret: str = f"{SAMPLE}-database", **more: Any) -> dict[str, Any]:
    uri = f"postgresql+psycopg://{SAMPLE}@db/{SAMPLE}"
    return postgresql_connection(uri, secret=secret, owner=f"{SAMPLE}-owner", **more)


def told(
    operation: str, server: Any = SERVER, backup: Any = None, connection: Any = None, **more: Any
) -> dict[str, Any]:
    found = fleet_operation({**VARIABLES, **more}, operation, connection or database(), server, backup or {})
    known = protocol.OPERATIONS.get(operation)
    assert not known or not set(found["options"]) - known.options, "the operation takes all that it is told"
    return found


def test_the_databases_of_an_instance_have_roles_with_passwords_of_their_own() -> None:
    found = told("databases")
    assert found["errors"] == []
    options = found["options"]
    assert options["server_uri"].startswith("postgresql+psycopg://postgres@db")
    assert (options["fleet"], options["state"]) == ("tenants", "present")
    assert options["database_uri"].partition("?")[0].endswith(f"{SAMPLE}@db/{SAMPLE}")
    assert options["owner_uri"].partition("?")[0].endswith(f"{SAMPLE}-owner@db/{SAMPLE}")
    assert "auth_uri" not in options, "where nobody logs in, there are no users"
    assert found["secrets"] == {f"{SAMPLE}-database": {"password": "", "owner-password": ""}}
    places = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in found["env"]}
    assert places == {
        "PGPASSWORD": {"name": f"{SAMPLE}-database", "key": "password"},
        "MLFLOW_DATABASE_OWNER_PASSWORD": {"name": f"{SAMPLE}-database", "key": "owner-password"},
        "MLFLOW_DATABASE_ADMIN_PASSWORD": {"name": "administrator", "key": "password"},
    }


def test_a_secret_that_all_share_is_not_made() -> None:
    assert told("databases", connection=database("shared"))["secrets"] == {}


def test_with_a_login_the_users_have_a_database_too() -> None:
    assert told("databases", LOGIN)["options"]["auth_uri"].partition("?")[0].endswith(f"/{SAMPLE}_auth")
    assert told("schema", LOGIN)["options"]["admin_username"] == "boss"


def test_a_schema_is_changed_as_its_owner_and_older_ones_only_when_told_to() -> None:
    options = told("schema")["options"]
    assert options["database_uri"].partition("?")[0].endswith(f"{SAMPLE}-owner@db/{SAMPLE}")
    assert (options["grantee"], options["migrate"]) == (SAMPLE, False)
    assert told("schema", migrate="yes")["options"]["migrate"] is True


def test_health_asks_as_clients_do() -> None:
    assert told("health", LOGIN)["options"] == {
        "url": SERVER["runner"]["options"]["url"], "username": "boss", "level": "deep",
    }  # fmt: skip


def test_a_backup_is_of_who_has_no_recent_one() -> None:
    backup = {"uri": f"s3://b/{SAMPLE}", "runner": {"options": {"settings": "/etc/mlflow-backup/settings.json"}}}
    options = told("backup", backup=backup)["options"]
    assert options == {"settings": "/etc/mlflow-backup/settings.json", "min_age_hours": 12.0, "prune": True}


@pytest.mark.parametrize(
    ("operation", "more", "said"),
    [
        ("restore", {}, "mlflow_fleet_operation is 'restore'; it must be one of backup, databases, health, schema."),
        ("databases", {"database_admin_secret": ""}, "Who makes the databases is not known"),
        ("databases", {"database_admin_uri": "db"}, "mlflow_fleet_database_admin_uri"),
        ("backup", {}, "Where snapshots are kept is not known"),
        ("backup", {"backup": {"uri": "s3://b/all", "runner": {"options": {}}}}, "s3://b/all/{{ mlflow_name }}"),
        ("backup", {"backup_min_age_hours": "soon"}, "mlflow_fleet_backup_min_age_hours"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(operation: str, more: dict[str, Any], said: str) -> None:
    if "backup_min_age_hours" in more:
        more = {**more, "backup": {"uri": "/mnt/backup", "runner": {"options": {}}}}
    found = told(operation, **more)
    assert len(found["errors"]) == 1 and said in found["errors"][0] and found["options"] == {}
