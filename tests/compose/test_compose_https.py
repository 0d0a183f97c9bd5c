"""HTTPS at the load balancer: the certificate of an authority of one's own, its renewal, and a load test through it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import ServerError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client, Server
from support.certificates import Authority
from support.compose.deployment import Deployment
from support.environments import pinned_version
from support.kubernetes.client import RealClient

pytestmark = pytest.mark.compose

PORT = 5005
URL = f"https://127.0.0.1:{PORT}"
NAMES = "DNS:localhost,IP:127.0.0.1"
LOG_AND_READ = """
client = MlflowClient(uri.replace("http:", "https:"))
run = client.create_run("0").info.run_id
client.log_metric(run, "loss", 0.25)
os.environ["MLFLOW_TRACKING_URI"] = uri.replace("http:", "https:")
client.log_text(run, "a b c", "notes.txt")
print(json.dumps([client.get_run(run).data.metrics, [one.path for one in client.list_artifacts(run)]]))
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def https(make: Callable[..., Deployment], authority: Authority) -> Iterator[Deployment]:
    certificate, key = authority.issue("server", NAMES)
    deployment = make(
        "compose_local",
        "t-https",
        mlflow_server_port=PORT,
        mlflow_server_tls_certificate=str(certificate),
        mlflow_server_tls_key=str(key),
        mlflow_load_test_allowed=True,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def served() -> bytes:
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", PORT)))


def test_clients_that_trust_the_authority_are_served_and_others_are_told_why_not(
    https: Deployment, authority: Authority, real_client: RealClient
) -> None:
    assert https.first is not None
    assert URL in https.first.of("Report where MLflow is and what to do next")["msg"]
    assert Client(Server(URL, ca_path=str(authority.file))).get("/version").body == pinned_version().encode()
    with pytest.raises(ServerError, match=r"is not trusted: .*Give its authority as ca_path"):
        Client(Server(URL, retries=0)).get("/version")
    with pytest.raises(ServerError):
        Client(Server(URL.replace("https", "http"), retries=0, timeout=5.0)).get("/version")
    trusted = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority.file)}
    assert real_client.run(https, LOG_AND_READ, port=PORT, **trusted) == [{"loss": 0.25}, ["notes.txt"]]


def test_a_second_run_changes_nothing_and_day_2_playbooks_work(https: Deployment) -> None:
    before = https.started()
    assert https.deploy().succeeded().stats["changed"] == 0
    https.play("health", mlflow_health_level="full").succeeded()
    assert f"Version      {pinned_version()}" in https.play("status").succeeded().of("Show the status")["msg"]
    assert https.started() == before


def test_a_load_test_goes_through_the_front(https: Deployment, tmp_path: Path) -> None:
    small = {"locust_users": 2, "locust_run_time": 8, "locust_workers": 1, "locust_weights": {"artifact_32m": 0}}
    https.play("load_test", locust_report_dir=str(tmp_path), **small).succeeded()
    report = json.loads((tmp_path / "result.json").read_text())
    assert report["targets"][0]["url"] == "https://t-https-load-balancer:5000"
    assert report["total"]["requests"] > 20 and report["total"]["failures"] == 0


def test_a_renewed_certificate_is_taken_over_without_a_restart(https: Deployment, authority: Authority) -> None:
    before, old = https.started(), served()
    certificate, _key = authority.issue("server", NAMES)
    https.deploy().succeeded()
    assert served() == ssl.PEM_cert_to_DER_cert(certificate.read_text()) != old
    assert https.started() == before
    assert https.deploy().succeeded().stats["changed"] == 0


def test_the_key_is_in_a_folder_that_only_its_owner_can_enter_and_goes_with_https(
    https: Deployment, authority: Authority
) -> None:
    key = https.folder / "server" / "load-balancer" / "certificate.pem.key"
    secret = (authority.folder / "server.key").read_text()
    assert key.read_text() == secret
    assert oct((https.folder / "server").stat().st_mode)[-3:] == "700"
    without = {"mlflow_server_tls_certificate": "", "mlflow_server_tls_key": ""}
    https.deploy(**without).succeeded()
    assert [path for path in https.folder.rglob("*") if path.is_file() and secret in path.read_text()] == []
    assert https.servers() == https.containers("server"), "the load balancer stays"
    assert https.deploy(**without).succeeded().stats["changed"] == 0
