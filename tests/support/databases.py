"""PostgreSQL databases with MLflow's schema. It is created once; every test gets a copy."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from .playbooks import run_module
from .postgresql import OWNER, OWNER_PASSWORD, SERVER, SERVER_PASSWORD, PostgreSQL

ADMIN, ADMIN_PASSWORD = "admin", "admin % \"of\" {{ 'all' }} 1"


class Databases:
    def __init__(self, postgresql: PostgreSQL, interpreter: Path, secrets: Path) -> None:
        self.postgresql = postgresql
        self.interpreter = interpreter
        self.owner_password_file = secrets / "owner"
        self.server_password_file = secrets / "server"
        self.admin_password_file = secrets / "admin"
        self.owner_password_file.write_text(OWNER_PASSWORD + "\n")
        self.server_password_file.write_text(SERVER_PASSWORD + "\n")
        self.admin_password_file.write_text(ADMIN_PASSWORD + "\n")

    def schema_arguments(self, tracking: str, users: str | None = None) -> dict[str, Any]:
        """Arguments of mlflow_schema that create these databases' tables as the owner, for the server's role."""
        arguments: dict[str, Any] = {
            "uri": self.postgresql.uri(tracking),
            "password_file": str(self.owner_password_file),
            "grantee": SERVER,
        }
        if users:
            arguments |= {
                "auth_uri": self.postgresql.uri(users),
                "admin_username": ADMIN,
                "admin_password_file": str(self.admin_password_file),
            }
        return arguments

    @cached_property
    def templates(self) -> tuple[str, str]:
        """Databases that the module mlflow_schema made: of tracking, of users."""
        tracking, users = (self.postgresql.create_database(name) for name in ("template_mlflow", "template_users"))
        result = run_module("mlflow_schema", self.schema_arguments(tracking, users), interpreter=self.interpreter)
        assert result.get("changed") is True, result
        return tracking, users

    def copy(self, name: str) -> str:
        return self.postgresql.create_database(name, self.templates[0])

    def copy_of_users(self, name: str) -> str:
        return self.postgresql.create_database(name, self.templates[1])

    def connection(self, tracking: str) -> dict[str, Any]:
        """The connection of a server under the role that may not change the schema."""
        secrets = {"PGPASSWORD": {"file": str(self.server_password_file)}}
        return {"type": "external_postgresql", "uri": self.postgresql.uri(tracking, SERVER), "secrets": secrets}

    def variables(self, tracking: str, users: str) -> dict[str, str]:
        """The same as an inventory says it."""
        return {
            "mlflow_database_type": "external_postgresql",
            "mlflow_database_uri": self.postgresql.uri(tracking, SERVER),
            "mlflow_database_auth_uri": self.postgresql.uri(users, SERVER),
            "mlflow_database_password_file": str(self.server_password_file),
            "mlflow_database_owner": OWNER,
            "mlflow_database_owner_password_file": str(self.owner_password_file),
        }
