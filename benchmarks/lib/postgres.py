# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL: the binaries that the package pgserver brings, run as a plain process on loopback, fsync on."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .process import Tree, free_port

_MAX_CONNECTIONS = 200
_START_SECONDS = 60


class Postgres:
    """One server with a data folder of its own, both gone after C(stop)."""

    user = "mlflow"

    def __init__(self) -> None:
        self.port = free_port()
        # Not below the clone: as root the server runs as `nobody`, who may not be able to enter it.
        self.folder = Path(tempfile.mkdtemp(prefix="mlflow-bench-", dir="/var/tmp"))
        self._tree: Tree | None = None
        self._as: dict[str, Any] = {}
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        packages = _packages()
        for name in ("pgserver", "pgserver.libs"):
            shutil.copytree(packages / name, self.folder / name, symlinks=True)
        self.password_file = self.folder / "password"
        self.password_file.write_text(secrets.token_hex(16))
        self.password_file.chmod(0o600)
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (self.folder, self.password_file):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        data = str(self.folder / "data")
        self._run(self._binary("initdb"), "--pgdata", data, "--username", self.user, "--auth", "scram-sha-256",
                  "--pwfile", str(self.password_file), "--encoding", "UTF8", "--no-locale")  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "",
            "max_connections": _MAX_CONNECTIONS, "fsync": "on",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._tree = Tree(
            [self._binary("postgres"), "-D", data, *options], self._env(), self.folder / "postgres.log", self.folder,
            **self._as,
        )  # fmt: skip
        end = time.monotonic() + _START_SECONDS
        while self._psql("SELECT 1", check=False):
            if self._tree.ended or time.monotonic() > end:
                sys.exit(f"PostgreSQL did not start:\n{self._tree.log.read_text()[-2000:]}")
            time.sleep(0.2)

    def uri(self, database: str) -> str:
        return f"postgresql+psycopg2://{self.user}@127.0.0.1:{self.port}/{database}"

    def password(self) -> str:
        return self.password_file.read_text()

    def create(self, database: str, template: str = "template1") -> None:
        """A new database, a copy of C(template). One of the same name is dropped."""
        self._psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        self._psql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def execute(self, statements: str, database: str) -> None:
        self._psql(statements, database=database)

    @property
    def binaries(self) -> Path:
        return self.folder / "pgserver" / "pginstall" / "bin"

    def cpu(self) -> float:
        """User+sys seconds of the server and its sessions so far."""
        return self._tree.cpu() if self._tree else 0.0

    def stop(self) -> None:
        if self._tree:
            self._tree.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _binary(self, name: str) -> str:
        return str(self.binaries / name)

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGPASSWORD": self.password()}

    def _psql(self, statement: str, check: bool = True, database: str = "postgres") -> int:
        where = f"host=127.0.0.1 port={self.port} user={self.user} dbname={database}"
        argv = ["psql", "-qXd", where, "-v", "ON_ERROR_STOP=1", "-c", statement]
        return self._run(self._binary(argv[0]), *argv[1:], check=check)

    def _run(self, *argv: str, check: bool = True) -> int:
        done = subprocess.run(
            argv, env=self._env(), cwd=self.folder, capture_output=True, text=True, check=False, **self._as
        )
        if check and done.returncode:
            raise RuntimeError(f"{Path(argv[0]).name} failed: {done.stderr.strip()}")
        return done.returncode


def _packages() -> Path:
    """Where pgserver and the libraries beside it are."""
    spec = importlib.util.find_spec("pgserver")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pgserver is missing: run 'make bench', which makes the environment that has it.")
    return Path(next(iter(spec.submodule_search_locations))).parent
