"""A real PostgreSQL with the configuration that the role renders for TLS, and clients that verify it."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import psycopg2
import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates, trust
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import (
    postgresql_configuration,
    postgresql_connection,
    postgresql_uri,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.certificates import service_names
from support import postgresql
from support.playbooks import REPOSITORY
from support.postgresql import SERVER_PASSWORD, PostgreSQL

HBA = REPOSITORY / "roles/mlflow_database/files/postgresql-hba.conf"
CONNECTION = postgresql_connection.postgresql_connection(
    "postgresql+psycopg2://mlflow@mlflow-database:5432/mlflow", secret="mlflow-database", authority="mlflow"
)
URI = postgresql_uri.parse(CONNECTION["uri"]).libpq
AUTHORITY = certificates.new_authority("mlflow authority")
DRIVERS = (psycopg.connect, psycopg2.connect)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    server = postgresql.with_tls()
    server.create()
    server.start()
    server.create_roles()
    server.create_database("mlflow")
    server.stop()
    folder = server.home / "tls"
    folder.mkdir()
    folder.chmod(0o755)
    pair = certificates.issue(AUTHORITY, service_names("mlflow-database", "team-a"))
    (folder / "tls.crt").write_text(pair.certificate)
    (folder / "tls.key").write_text(pair.key)
    # As a Secret's volume has it with a group for the pod; of this user where the test is not root.
    (folder / "tls.key").chmod(0o440 if os.geteuid() == 0 else 0o400)
    if os.geteuid() == 0:
        os.chown(folder / "tls.key", 0, pwd.getpwnam("nobody").pw_gid)
    rendered = postgresql_configuration.text("256Mi", 100, {}, tls=True)
    assert "/run/tls/tls.key" in rendered
    (folder / "postgresql.conf").write_text(rendered.replace("/run/tls", str(folder)))
    (folder / "pg_hba.conf").write_text(HBA.read_text())
    try:
        # The limits of a container are not those of this machine.
        server.start(f"config_file={folder}/postgresql.conf", f"hba_file={folder}/pg_hba.conf", "listen_addresses=*")
        yield server
    finally:
        server.remove()


def connected(database: PostgreSQL, connect: Callable[..., Any], folder: Path, uri: str, ca: str) -> str:
    """Which version of TLS a client of the rendered URI has."""
    (folder / "ca.crt").write_text(ca)
    told = uri.replace(trust.file("database"), str(folder / "ca.crt"))
    assert told != uri
    connection = connect(told, hostaddr="127.0.0.1", port=database.port, password=SERVER_PASSWORD)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        found = cursor.fetchone()[0]
    connection.close()
    return str(found)


@pytest.mark.parametrize("connect", DRIVERS)
def test_a_client_of_the_rendered_uri_verifies_the_server(
    connect: Callable[..., Any], database: PostgreSQL, tmp_path: Path
) -> None:
    assert connected(database, connect, tmp_path, URI, AUTHORITY.certificate) == "TLSv1.3"


@pytest.mark.parametrize("connect", DRIVERS)
def test_another_authority_is_refused(connect: Callable[..., Any], database: PostgreSQL, tmp_path: Path) -> None:
    other = certificates.new_authority("mlflow authority")
    with pytest.raises(Exception, match="certificate verify failed"):
        connected(database, connect, tmp_path, URI, other.certificate)


@pytest.mark.parametrize("connect", DRIVERS)
def test_another_name_is_refused(connect: Callable[..., Any], database: PostgreSQL, tmp_path: Path) -> None:
    uri = URI.replace("@mlflow-database:", "@mlflow-database.team-b:")
    with pytest.raises(Exception, match="does not match host name"):
        connected(database, connect, tmp_path, uri, AUTHORITY.certificate)


def test_who_trusts_nobody_does_not_connect(database: PostgreSQL, tmp_path: Path) -> None:
    told = URI.replace(trust.file("database"), str(tmp_path / "missing.crt"))
    with pytest.raises(psycopg.OperationalError, match=r"root certificate file .* does not exist"):
        psycopg.connect(told, hostaddr="127.0.0.1", port=database.port, password=SERVER_PASSWORD)


@pytest.mark.parametrize(("address", "refused"), [("127.0.0.2", True), ("127.0.0.1", False)])
def test_only_the_pod_itself_connects_without_tls(database: PostgreSQL, address: str, refused: bool) -> None:
    hello = b"user\0mlflow\0database\0mlflow\0\0"
    with socket.create_connection(("127.0.0.1", database.port), 10, source_address=(address, 0)) as client:
        client.sendall(struct.pack("!ii", len(hello) + 8, 196608) + hello)
        answer = client.recv(4096)
    if refused:
        assert (
            answer[:1] == b"E" and b'no pg_hba.conf entry for host "127.0.0.2"' in answer and b"no encryption" in answer
        )
    else:
        assert answer[:1] == b"R" and b"SCRAM-SHA-256" in answer, "what the probes of the pod ask"
