"""TLS between the pods of a deployment: switched on for one that exists, verified, made once, made again when lost."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import certificates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.certificates import Pair
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.certificates import service_names
from support.kubernetes.deployment import Deployment, changed_objects

pytestmark = pytest.mark.cluster

SESSIONS = """
SELECT DISTINCT s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'mlflow'
"""


@pytest.fixture(scope="module")
def encrypted(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """One that was there without."""
    deployment = make(
        "t-tls",
        mlflow_server_auth="basic",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_backup_enabled=True,
        mlflow_backup_storage_size="1Gi",
    )
    try:
        deployment.deploy().succeeded()
        deployment.variables["mlflow_tls_inside"] = True
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def in_a_server(deployment: Deployment, command: str) -> str:
    return deployment.kubectl.execute(deployment.server(), "sh", "-c", command, check=False)


def test_a_second_run_changes_nothing(encrypted: Deployment) -> None:
    before = encrypted.secrets()
    assert encrypted.deploy().succeeded().stats["changed"] == 0
    assert encrypted.secrets() == before


def test_servers_talk_tls_to_the_database_and_whoever_does_not_is_refused(encrypted: Deployment) -> None:
    assert encrypted.sql(SESSIONS) == "TLSv1.3"
    plain = "sslmode=verify-full&sslrootcert=/run/mlflow-ca/database.crt"
    said = in_a_server(encrypted, f'psql "$(echo "$READY_DATABASE" | sed "s|{plain}|sslmode=disable|")" -c "SELECT 1"')
    assert "no pg_hba.conf entry" in said and "no encryption" in said


def test_another_name_of_the_database_is_no_name_of_it(encrypted: Deployment) -> None:
    address = encrypted.kubectl.json("get", "service", "mlflow-database")["spec"]["clusterIP"]
    said = in_a_server(
        encrypted, f'psql "$(echo "$READY_DATABASE" | sed "s|@mlflow-database:|@{address}:|")" -c "SELECT 1"'
    )
    assert "does not match host name" in said


def test_backup_and_drill_verify_as_well(encrypted: Deployment) -> None:
    encrypted.play("backup").succeeded()
    encrypted.play("drill").succeeded()


def test_no_key_is_in_a_log_or_an_event_and_no_pod_has_that_of_the_authority(encrypted: Deployment) -> None:
    keys = [value for name, value in encrypted.secrets().items() if name.endswith("/tls.key")]
    assert len(keys) == 4
    said = encrypted.deploy("-vvv", "--diff").succeeded().output + str(encrypted.kubectl.items("events"))
    assert not [key for key in keys if key.splitlines()[1] in said]
    assert "mlflow-authority" not in str(encrypted.kubectl.items("pods"))


def test_a_lost_certificate_is_made_again_and_served(encrypted: Deployment) -> None:
    before = encrypted.secrets()
    encrypted.kubectl("delete", "secret", "mlflow-database-tls")
    result = encrypted.deploy().succeeded()
    after = encrypted.secrets()
    assert changed_objects(result) == {"StatefulSet mlflow-database"}
    assert after["mlflow-authority/tls.key"] == before["mlflow-authority/tls.key"]
    assert after["mlflow-database-tls/tls.key"] != before["mlflow-database-tls/tls.key"]
    encrypted.play("health", mlflow_health_level="full").succeeded()


def greeted(deployment: Deployment, name: str, words: str) -> str:
    """What a client in another pod of TLS says that verifies the servers by a name, as an Ingress would."""
    options = "-brief -verify_return_error -CAfile /run/mlflow-ca/server.crt"
    asked = f"openssl s_client {options} -connect mlflow:5000 -verify_hostname {name} {words}"
    return in_a_server(deployment, f"echo | timeout 20 {asked} 2>&1")


def test_servers_serve_tls_to_whoever_verifies_them_and_nothing_else(encrypted: Deployment) -> None:
    assert "Verification: OK" in greeted(encrypted, encrypted.host, "")
    assert "hostname mismatch" in greeted(encrypted, "mlflow.example.com", "").lower()
    plain = "import urllib.request as u; print(u.urlopen('http://mlflow:5000/health', timeout=20).status)"
    assert "200" not in in_a_server(encrypted, f'python3 -c "{plain}" 2>&1 | tail -1')
    [port] = encrypted.kubectl.json("get", "service", "mlflow")["spec"]["ports"]
    assert port["name"] == "https"


def test_scripts_and_load_tests_in_the_cluster_verify_the_servers(encrypted: Deployment) -> None:
    scripts = [{"name": "dummy", "src": "dummy.py"}]
    done = encrypted.play("experiments", mlflow_experiments_scripts=scripts).succeeded()
    assert done.of("Show their results")["msg"][0]["result"]["run_id"]
    encrypted.play("load_test", mlflow_load_test_allowed=True, locust_users=2, locust_run_time=10).succeeded()


def test_a_certificate_that_ends_soon_is_told_and_a_deploy_renews_it(encrypted: Deployment) -> None:
    held = encrypted.secrets()
    authority = Pair(held["mlflow-authority/tls.crt"], held["mlflow-authority/tls.key"])
    names = [*service_names("mlflow", encrypted.namespace), "localhost", "127.0.0.1"]
    old = certificates.issue(authority, names, datetime.now(UTC) - timedelta(days=3 * 365 - 20, hours=-1))
    data = {"tls.crt": old.certificate, "tls.key": old.key}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    encrypted.kubectl.apply(
        {**encrypted.kubectl.json("get", "secret", "mlflow-server-tls"), "data": encoded},
    )
    said = encrypted.play("status").succeeded().output
    assert "that in the Secret t-tls/mlflow-server-tls ends on" in said and "in 20 days" in said
    result = encrypted.deploy().succeeded()
    assert changed_objects(result) == {"Deployment mlflow"}
    assert encrypted.secrets()["mlflow-server-tls/tls.crt"] != old.certificate
    assert "in 20 days" not in encrypted.play("status").succeeded().output
    assert "Verification: OK" in greeted(encrypted, encrypted.host, "")
