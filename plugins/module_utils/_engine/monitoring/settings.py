# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the exporter of a deployment is told: a file with JSON, without secrets, which are where the file says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .. import secrets
from ..database import kinds
from ..database.base import Database
from ..errors import BadInput
from ..http import Server
from ..protocol import SETTINGS
from ..quantities import number, whole

_SECONDS = 10.0


@dataclass(frozen=True)
class Settings:
    """
    :param listen, port: where scrapes are answered.
    :param interval: seconds between two rounds of what changes fast.
    :param server: C(url), C(username), C(password_file), C(ca_path), C(validate_certs); {} where none is asked.
    :param database: C(uri), C(auth_uri), C(password_file).
    :param snapshots: as operations on snapshots take them; {} where there are no backups.
    :param artifacts: of these only what says where artifacts are; {} where nobody looks.
    :param snapshot_seconds, drill_seconds: longest time between two that is promised; 0 for none.
    :param fleet: of which all this is not measured: C(namespace), C(instances) (names), C(count), C(pattern); {} for a
        deployment.
    :param disks: folders by the name of the volume.
    :param certificates: files or https URLs by name.
    """

    name: str
    platform: str = "host"
    profile: str = ""
    version: str = ""
    listen: str = "127.0.0.1"
    port: int = 9500
    interval: float = 60.0
    server: Mapping[str, Any] = field(default_factory=dict)
    database: Mapping[str, Any] = field(default_factory=dict)
    snapshots: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    snapshot_seconds: float = 0.0
    drill_seconds: float = 0.0
    fleet: Mapping[str, Any] = field(default_factory=dict)
    disks: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str) -> Settings:
        """
        :raises BadInput: it cannot be read, or is not such a file.
        """
        try:
            given = dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(f"The settings {path} cannot be read: {error}.") from error
        if unknown := sorted(set(given) - {one.name for one in fields(cls)}):
            raise BadInput(f"The settings {path} have unknown keys: {', '.join(unknown)}.")
        for name in ("server", "database", "snapshots", "artifacts", "fleet", "disks", "certificates"):
            if not isinstance(given.get(name, {}), dict):
                raise BadInput(f"{name} of the settings {path} must be a dict.")
        if unknown := sorted(({*given.get("snapshots", {})} | {*given.get("artifacts", {})}) - SETTINGS):
            raise BadInput(f"The settings {path} have unknown keys of snapshots: {', '.join(unknown)}.")
        if not given.get("name"):
            raise BadInput(f"The settings {path} lack name, that of the deployment.")
        for name in ("interval", "snapshot_seconds", "drill_seconds"):
            given[name] = number(given.get(name) or (60 if name == "interval" else 0), name, 0)
        given["port"] = whole(given.get("port", 9500), "port", 1)
        return cls(**given)

    def asked(self) -> Server:
        """The server; its password is read anew, because it may be another by now."""
        username, file = self.server.get("username") or None, self.server.get("password_file")
        password = secrets.read(file, "password_file") if file else os.environ.get("MLFLOW_TRACKING_PASSWORD")
        return Server(
            url=str(self.server["url"]),
            username=username,
            password=password if username else None,
            ca_path=self.server.get("ca_path") or None,
            validate_certs=bool(self.server.get("validate_certs", True)),
            timeout=_SECONDS,
        )

    def password(self) -> str | None:
        """That of the databases."""
        file = self.database.get("password_file")
        return secrets.read(file, "password_file") if file else os.environ.get("PGPASSWORD")

    def opened(self, which: str = "uri") -> Database:
        """A database, by C(uri) or C(auth_uri). Nothing is connected to."""
        return kinds.database(str(self.database[which]), self.password())
