"""A real PostgreSQL on loopback, from the binaries that the package pgserver brings.

They are run directly, because pgserver itself listens on a Unix socket only. PostgreSQL refuses to run as root: there
it runs as `nobody`, from a copy that `nobody` can reach.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .ports import free_port

SUPERUSER = "postgres"
SUPERUSER_PASSWORD = "super % 'word' @:/"
# Passwords of the tests hold what URIs, ini files and shells stumble over.
OWNER, OWNER_PASSWORD = "mlflow_owner", "owner%p@ss:w/rd'1"
SERVER, SERVER_PASSWORD = "mlflow", 'server%p@ss:w/rd"2'


def with_tls() -> PostgreSQL:
    """One of the system: that of pgserver is built without TLS."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("needs a PostgreSQL with TLS, such as Debian's package postgresql")
    return PostgreSQL(found[-1].parents[1])


class PostgreSQL:
    def __init__(self, install: Path | None = None) -> None:
        """:param install: the folder of the programs' C(bin); that of the package pgserver where none is given."""
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="mlops-pg-"))
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._process: subprocess.Popen[Any] | None = None
        if install:
            self._install = install
            return
        spec = importlib.util.find_spec("pgserver")
        assert spec and spec.origin, "pgserver is not installed: see requirements-dev.txt"
        self._install = Path(spec.origin).parent / "pginstall"
        if self._account:
            # The binaries find their libraries beside the package, by a relative path.
            packages = self._install.parent.parent
            for part in ("pgserver/pginstall", "pgserver.libs"):
                if (packages / part).exists():
                    shutil.copytree(packages / part, self.home / part, symlinks=True)
            self._install = self.home / "pgserver" / "pginstall"

    @property
    def tools(self) -> Path:
        """The folder of pg_dump and its like."""
        return self._install / "bin"

    def create(self) -> None:
        data, password_file = self.home / "data", self.home / "password"
        data.mkdir(mode=0o700)
        password_file.write_text(SUPERUSER_PASSWORD)
        if self._account:
            for path in (self.home, data, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        command = [str(self._install / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "scram-sha-256"]
        command += ["--pwfile", str(password_file), "--no-sync", "-E", "UTF8", "--locale", "C"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._identity())
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *settings: str) -> None:
        """:param settings: NAME=VALUE each, over those of the tests."""
        command = [str(self._install / "bin" / "postgres"), "-D", str(self.home / "data"), "-p", str(self.port)]
        for setting in ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=300"):
            command += ["-c", setting]
        for setting in settings:
            command += ["-c", setting]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **self._identity()
            )
        end = time.monotonic() + 60
        while True:
            try:
                self.superuser().close()
                return
            except psycopg.OperationalError:
                assert self._process and self._process.poll() is None, (self.home / "log").read_text()
                assert time.monotonic() < end, "PostgreSQL did not come up within 60 s"
                time.sleep(0.1)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": ends the connections
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def superuser(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return self.connect(SUPERUSER, SUPERUSER_PASSWORD, database)

    def connect(self, user: str, password: str, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=database, autocommit=True
        )

    def create_roles(self) -> None:
        with self.superuser() as connection:
            for role, password in ((OWNER, OWNER_PASSWORD), (SERVER, SERVER_PASSWORD)):
                statement = psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(statement.format(psycopg.sql.Identifier(role), psycopg.sql.Literal(password)))

    def let_owner_create_databases(self) -> None:
        """Which a restore needs, and an upgrade that may have to go back."""
        with self.superuser() as connection:
            connection.execute(f"ALTER ROLE {OWNER} CREATEDB")

    def create_database(self, name: str, template: str = "template1") -> str:
        """A database of the owner's; returns its name."""
        with self.superuser() as connection:
            connection.execute(f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE "{template}"')
        return name

    def uri(self, database: str, user: str = OWNER, driver: str = "psycopg") -> str:
        return f"postgresql+{driver}://{user}@127.0.0.1:{self.port}/{database}"

    def row_counts(self, database: str) -> dict[str, int]:
        with self.superuser(database) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            return {table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for (table,) in tables}

    def _identity(self) -> dict[str, Any]:
        # Away from the caller's folder, which `nobody` may not be able to enter.
        identity: dict[str, Any] = {"cwd": self.home, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
        if self._account:
            identity |= {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return identity
