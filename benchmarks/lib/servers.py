# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers: plain `mlflow server`, and ours as the role starts it (launch.compute and starter.py)."""

from __future__ import annotations

import base64
import configparser
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import environment
from .http import Answer, exchange, request
from .postgres import Postgres
from .process import Tree, free_port

sys.path.insert(0, str(environment.ROOT / ".dev"))
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import launch
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.plan import host

_ENGINE = environment.ROOT / "plugins" / "module_utils" / "_engine"
_START_SECONDS = 180
ADMIN = ("admin", secrets.token_hex(12))


@dataclass
class Setup:
    """How one server is run. C(profile) None is plain `mlflow server`, with C(arguments) and C(env) added."""

    name: str
    profile: str | None
    arguments: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    auth: bool = False
    intent: dict[str, Any] = field(default_factory=dict)

    @property
    def flavor(self) -> str:
        return launch.PROFILES[self.profile].install if self.profile else "plain"


PLAIN_DEFAULTS = Setup("plain `mlflow server`", None)
PLAIN_ONE = Setup(
    "plain, `--workers 1`, jobs off", None, ["--workers", "1"], {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
)


def ours(profile: str, auth: bool = False, **intent: Any) -> Setup:
    return Setup(f"`{profile}`{' with basic auth' if auth else ''}", profile, auth=auth, intent=intent)


_FAST_STORE = environment.CACHE / "fast_store"
_FAST = {"workers": 1, "fast_store": "on", "fast_store_dir": str(_FAST_STORE)}
FAST = Setup("`throughput` with the fast store", "throughput", intent=_FAST)
FAST_LOGIN = Setup(f"{FAST.name} with basic auth", "throughput", auth=True, intent=_FAST)


class Databases:
    """Databases with MLflow's current schema: made once by the engine, as the role does, then copied."""

    def __init__(self, folder: Path, postgres: Postgres | None) -> None:
        self._folder, self._postgres = folder, postgres
        self._made: set[str] = set()

    def sqlite(self, name: str, auth: bool = False) -> dict[str, Any]:
        uris = {}
        for kind in ("tracking", "auth") if auth else ("tracking",):
            template = self._folder / f"template-{kind}.db"
            if not template.exists():
                _create_schema(kind, f"sqlite:///{template}", None)
            target = self._folder / f"{name}-{kind}.db"
            shutil.copyfile(template, target)
            uris[kind] = f"sqlite:///{target}"
        return {"type": "sqlite", "uri": uris["tracking"], "auth_uri": uris.get("auth")}

    def postgresql(self, name: str, auth: bool = False) -> dict[str, Any]:
        if self._postgres is None:
            raise RuntimeError("PostgreSQL was not started.")
        uris = {}
        for kind in ("tracking", "auth") if auth else ("tracking",):
            template = f"template_{kind}"
            if template not in self._made:
                self._postgres.create(template)
                _create_schema(kind, self._postgres.uri(template), str(self._postgres.password_file))
                self._made.add(template)
            self._postgres.create(f"{name}_{kind}", template)
            uris[kind] = self._postgres.uri(f"{name}_{kind}")
        return {
            "type": "external_postgresql", "uri": uris["tracking"], "auth_uri": uris.get("auth"),
            "secrets": {"PGPASSWORD": {"file": str(self._postgres.password_file)}},
        }  # fmt: skip


def _create_schema(kind: str, uri: str, password_file: str | None) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import changes\n"
        "kind, uri, file, admin, admin_password = sys.argv[1:]\n"
        "password = Path(file).read_text() if file else None\n"
        "if kind == 'auth': changes.create_auth(uri, password, admin, admin_password)\n"
        "else: changes.create(uri, password)\n"
    )
    env = {**_clean_env(), "PYTHONPATH": str(environment.ROOT / ".dev")}
    argv = [environment.install("full"), "-c", code, kind, uri, password_file or "", *ADMIN]
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)


class Server:
    """One running MLflow. Use it as a context manager: its processes always end."""

    def __init__(self, setup: Setup, database: Mapping[str, Any], folder: Path) -> None:
        self.setup, self.database = setup, database
        self.port = free_port()
        self.headers = _basic(*ADMIN) if setup.auth else {}
        self._folder = folder / f"server-{self.port}"
        (self._folder / "artifacts").mkdir(parents=True)
        python = environment.install(setup.flavor)
        argv, env = self._ours(python) if setup.profile else self._plain(python)
        self.started = time.monotonic()
        self.tree = Tree(argv, env, self._folder / "server.log", self._folder)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.tree.stop()

    def wait(self) -> float:
        """Wall seconds from the start to the first answered experiments/search."""
        message = request("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}, self.headers)
        while time.monotonic() < self.started + _START_SECONDS:
            if self.tree.ended:
                break
            try:
                answer = exchange(self.port, message, _START_SECONDS)
            except OSError:
                time.sleep(0.05)
                continue
            if answer.status == 200:
                return time.monotonic() - self.started
            raise RuntimeError(f"{self.setup.name} answered {answer.status}: {answer.body[:300]!r}")
        raise RuntimeError(f"{self.setup.name} did not start:\n{self.tree.log.read_text()[-3000:]}")

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One call that must succeed; as the administrator unless C(headers) say otherwise."""
        answer = exchange(self.port, request(method, path, body, self.headers if headers is None else headers), 60)
        if answer.status != 200:
            raise RuntimeError(f"{self.setup.name}: {method} {path} gave {answer.status}: {answer.body[:300]!r}")
        return answer

    def add_user(self) -> dict[str, str]:
        """Headers of a new user, who owns what they create and is no administrator."""
        user, password = f"user-{secrets.token_hex(4)}", secrets.token_hex(12)
        self.call("POST", "/api/2.0/mlflow/users/create", {"username": user, "password": password})
        return _basic(user, password)

    def _plain(self, python: str) -> tuple[list[str], dict[str, str]]:
        argv = [str(Path(python).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(self.port)]
        argv += ["--backend-store-uri", self.database["uri"]]
        argv += ["--artifacts-destination", str(self._folder / "artifacts"), *self.setup.arguments]
        passwords = {name: Path(where["file"]).read_text() for name, where in self.database.get("secrets", {}).items()}
        # Telemetry off on both sides: a benchmark should report to nobody.
        return argv, {**_clean_env(), "MLFLOW_DISABLE_TELEMETRY": "true", **passwords, **self.setup.env}

    def _ours(self, python: str) -> tuple[list[str], dict[str, str]]:
        intent: dict[str, Any] = {
            "profile": self.setup.profile, "python": python, "port": self.port, "scratch_dir": str(self._folder),
            "database": {key: value for key, value in self.database.items() if value},
            "artifact_store": {"type": "local", "uri": str(self._folder / "artifacts")},
            "env": self.setup.env, **self.setup.intent,
        }  # fmt: skip
        if self.setup.auth:
            intent["auth"] = self._auth()
        if intent.get("fast_store"):
            _install_fast_store()
        file = self._folder / "launch.json"
        file.write_text(json.dumps(launch.compute(intent).as_dict()))
        return [sys.executable, str(_ENGINE / "standalone" / "starter.py"), str(file)], _clean_env()

    def _auth(self) -> dict[str, Any]:
        """What the role's template auth.ini.j2 and its defaults say."""
        file = configparser.ConfigParser(interpolation=None)
        file["mlflow"] = {
            "default_permission": "READ", "database_uri": self.database["auth_uri"].replace("%", "%%"),
            "admin_username": ADMIN[0], "grant_default_workspace_access": "false", "auth_cache_ttl_seconds": "60",
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        }  # fmt: skip
        with (self._folder / "auth.ini").open("w") as output:
            file.write(output)
        key = self._folder / "flask-secret-key"
        key.write_text(secrets.token_hex(24))
        return {"config": str(self._folder / "auth.ini"), "secret_key": {"file": str(key)}}


def _install_fast_store() -> None:
    """As the role does."""
    for file in host.plugin(*host.FAST_STORE):
        target = _FAST_STORE.parent / file["dest"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.get("content") or (_ENGINE / "standalone" / file["src"]).read_text())


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _clean_env() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "_MLFLOW_", "PYTHON", "PG"))}
