"""A PostgreSQL that is none of the deployment's, with a role for its owner and one for the servers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
import requests
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything
from support.kubernetes.client import RealClient
from support.kubernetes.kubectl import eventually

pytestmark = pytest.mark.compose

NAME = "t-managed-postgresql"
PORT = 15432
# TCP's user time-out of servers is 15 s; by itself TCP waits for a quarter of an hour.
FORGOTTEN_SECONDS = 25
PASSWORDS = {"mlflow_owner": "owner's $ecret:1", "mlflow": "server's %s@2"}
START = f"""
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
initdb --pgdata=/data/new --username=postgres --auth-local=trust --auth-host=scram-sha-256 >/dev/null
echo "host all all all scram-sha-256" >> /data/new/pg_hba.conf
exec postgres -D /data/new -c listen_addresses='*' -c port={PORT} -c unix_socket_directories=/tmp
"""
LOG_A_RUN = """
run = client.create_run("0").info.run_id
client.log_metric(run, "kept", 0.25)
print(json.dumps(client.get_run(run).data.metrics))
"""


class Managed:
    """On the engine's own network, as a machine beside it: at an address, and not at a name of Docker's."""

    def __init__(self) -> None:
        subnet = docker("network", "inspect", "bridge", "--format={{(index .IPAM.Config 0).Subnet}}").strip()
        self.address = str(ip_network(subnet)[1])
        self.remove()
        docker("run", "--detach", f"--name={NAME}", "--network=host", "--tmpfs=/data:mode=1777", "--entrypoint=bash",
               "mlops-test.local/postgresql:test", "-c", START)  # fmt: skip
        eventually("it answers", lambda: self.sql("SELECT 1") == "1", 60)
        for role, password in PASSWORDS.items():
            quoted = password.replace("'", "''")
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{quoted}'")
        self.sql("CREATE DATABASE mlflow OWNER mlflow_owner")
        self.sql("REVOKE ALL ON DATABASE mlflow FROM PUBLIC")
        self.sql("GRANT CONNECT ON DATABASE mlflow TO mlflow")

    def sql(self, statement: str, database: str = "postgres", user: str = "postgres") -> str:
        psql = ["psql", "--host=/tmp", f"--port={PORT}", f"--username={user}", "--no-align", "--tuples-only"]
        return docker("exec", NAME, *psql, f"--command={statement}", database, check=False).strip()

    @contextmanager
    def forgotten(self) -> Iterator[int]:
        """
        What a firewall does with connections that were idle for long: no packet passes any more, and nobody is told.

        :returns: of how many connections.
        """
        ask = "SELECT host(client_addr) || ' ' || client_port FROM pg_stat_activity WHERE usename = 'mlflow'"
        clients = [line.split() for line in self.sql(ask).splitlines()]
        rules = []
        for address, port in clients:
            rules.append(["INPUT", "--source", address, "--protocol", "tcp", "--sport", port, "--jump", "DROP"])
            rules.append(["OUTPUT", "--destination", address, "--protocol", "tcp", "--dport", port, "--jump", "DROP"])
        try:
            for rule in rules:
                subprocess.run(["iptables", "--wait", "--insert", *rule], check=True)
            yield len(clients)
        finally:
            for rule in rules:
                subprocess.run(["iptables", "--wait", "--delete", *rule], check=False)

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", NAME, check=False)


@pytest.fixture(scope="module")
def managed() -> Iterator[Managed]:
    database = Managed()
    try:
        yield database
    finally:
        database.remove()


@pytest.fixture
def settings(managed: Managed, tmp_path: Path) -> dict[str, object]:
    files = {role: tmp_path / role for role in PASSWORDS}
    for role, file in files.items():
        file.write_text(PASSWORDS[role])
    return {
        "mlflow_server_port": 5014,
        "mlflow_database_type": "external_postgresql",
        "mlflow_database_uri": f"postgresql+psycopg2://mlflow@{managed.address}:{PORT}/mlflow",
        "mlflow_database_password_file": str(files["mlflow"]),
        "mlflow_database_owner": "mlflow_owner",
        "mlflow_database_owner_password_file": str(files["mlflow_owner"]),
    }


def test_an_external_database_is_used_and_outlives_the_deployment(
    make: Callable[..., Deployment], managed: Managed, settings: dict[str, object], real_client: RealClient
) -> None:
    deployment = make("compose_local", "t-external", **settings)
    before = everything(deployment.name)
    deployment.deploy().succeeded()
    assert not deployment.containers("database")
    assert deployment.deploy().succeeded().stats["changed"] == 0
    deployment.play("health", mlflow_health_level="full").succeeded()
    assert f"{managed.address}:{PORT}" in deployment.play("status").succeeded().of("Show the status")["msg"]

    assert real_client.run(deployment, LOG_A_RUN, port=5014) == {"kept": 0.25}
    kept = "SELECT value FROM metrics WHERE key = 'kept'"
    assert managed.sql(kept, "mlflow") == "0.25"
    assert managed.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'runs'", "mlflow") == "mlflow_owner"
    assert "must be owner of table runs" in managed.sql("DROP TABLE runs", "mlflow", user="mlflow")

    deployment.destroy(mlflow_remove_data=True).succeeded()
    assert everything(deployment.name) == before
    assert managed.sql(kept, "mlflow") == "0.25"


def test_a_password_that_the_database_refuses_is_named_as_that(
    make: Callable[..., Deployment], settings: dict[str, object], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    deployment = make("compose_local", "t-external", **settings | {"mlflow_database_owner_password_file": str(wrong)})
    refused = deployment.deploy()
    assert refused.code and 'password authentication failed for user "mlflow_owner"' in refused.message


@pytest.mark.parametrize(
    ("options", "answered"),
    [("", True), ("?tcp_user_timeout=0&keepalives=0", False)],
    ids=["as deployed", "with TCP's own patience"],
)
def test_connections_that_a_firewall_forgot_cost_a_request_seconds(
    make: Callable[..., Deployment], managed: Managed, settings: dict[str, object], options: str, answered: bool
) -> None:
    settings["mlflow_database_uri"] = f"{settings['mlflow_database_uri']}{options}"
    deployment = make("compose_local", "t-forgotten", **settings)
    deployment.deploy().succeeded()
    url = f"http://127.0.0.1:{settings['mlflow_server_port']}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert requests.get(url, timeout=30).ok
    with managed.forgotten() as connections:
        assert connections
        start = time.monotonic()
        try:
            assert requests.get(url, timeout=FORGOTTEN_SECONDS).ok
            print(f"\n{connections} connections forgotten; answered after {time.monotonic() - start:.1f} s")
        except requests.ReadTimeout:
            assert not answered, f"no answer within {FORGOTTEN_SECONDS} s"
        else:
            assert answered, "it does without the limits as well: this test shows nothing"
    deployment.destroy(mlflow_remove_data=True).succeeded()
