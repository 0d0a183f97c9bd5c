"""A server on a real Knative: it comes with a request, goes without, and keeps what it was given."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.certificates import Authority
from support.kubernetes.client import RealClient
from support.kubernetes.knative import SERVICE, KnativeDeployment, variables_of_the_cluster
from support.kubernetes.kubectl import Kubectl, eventually
from support.kubernetes.load import Load, under_load
from support.kubernetes.snapshots import ask

pytestmark = pytest.mark.cluster

LOG = """
run = client.create_run("0").info.run_id
for step in range(int(os.environ["STEPS"])):
    client.log_metric(run, "loss", float(step), step=step)
print(json.dumps(run))
"""
READ = """
print(json.dumps([len(client.get_metric_history(run.info.run_id, "loss")) for run in client.search_runs(["0"])]))
"""


@pytest.fixture(scope="module")
def instance(cluster: Kubectl) -> Iterator[KnativeDeployment]:
    variables = variables_of_the_cluster()
    deployment = KnativeDeployment(
        cluster, "t-knative", variables, mlflow_backup_enabled=True, mlflow_backup_storage_size="1Gi"
    )
    with deployment.deployed():
        yield deployment


def test_a_second_run_changes_nothing(instance: KnativeDeployment) -> None:
    assert instance.deploy().succeeded().stats["changed"] == 0


def test_what_was_acknowledged_is_there_after_each_sleep(instance: KnativeDeployment, real_client: RealClient) -> None:
    before = real_client.run(instance, READ, port=instance.port)
    for _round in range(3):
        real_client.run(instance, LOG, port=instance.port, STEPS="20")
        instance.wait_until_asleep()
    begin = time.monotonic()
    found = real_client.run(instance, READ, port=instance.port)
    print(f"\nread from nothing in {time.monotonic() - begin:.1f} s, with the start of the client")
    assert sorted(found) == sorted([*before, 20, 20, 20])


def test_neither_a_status_nor_a_backup_nor_a_drill_wakes_it(instance: KnativeDeployment) -> None:
    instance.wait_until_asleep()
    before = instance.pods_made()
    status = instance.play("status").succeeded().of("Show the status")["msg"]
    assert "KnativeService mlflow asleep" in status and "nobody has asked" in status
    instance.play("backup").succeeded()
    instance.play("drill").succeeded()
    assert instance.pods_made() == before


def test_health_goes_by_the_gateway_and_wakes_it(instance: KnativeDeployment) -> None:
    instance.wait_until_asleep()
    said = instance.play("health", mlflow_health_level="full").succeeded()
    assert said.of("Report the verdict")["msg"].startswith("healthy at level full")


def test_a_stopped_one_is_not_woken_by_a_request_and_comes_back_as_it_was(
    instance: KnativeDeployment, real_client: RealClient
) -> None:
    runs = real_client.run(instance, READ, port=instance.port)
    deleted = instance.play("backup").succeeded()
    assert deleted.of("Write a snapshot")["changed"]
    real_client.run(instance, LOG, port=instance.port, STEPS="1")
    instance.play("restore", mlflow_restore=True).succeeded()
    assert real_client.run(instance, READ, port=instance.port) == runs


def test_a_restart_is_another_revision(instance: KnativeDeployment) -> None:
    before = instance.service()["status"]["latestReadyRevisionName"]
    instance.play("restart").succeeded()
    assert instance.service()["status"]["latestReadyRevisionName"] != before


def test_a_changed_setting_is_a_roll_out(instance: KnativeDeployment, real_client: RealClient) -> None:
    before = instance.service()["status"]["latestReadyRevisionName"]
    instance.deploy(mlflow_server_access_log=True).succeeded()
    assert instance.service()["status"]["latestReadyRevisionName"] != before
    assert real_client.run(instance, READ, port=instance.port)


@pytest.mark.soak
def test_of_writes_that_woke_it_twenty_times_none_is_lost(instance: KnativeDeployment) -> None:
    rounds: list[Load] = []
    for _round in range(20):
        instance.wait_until_asleep()
        with under_load(instance) as seen:
            eventually("writes", lambda seen=seen: seen.answers >= 100, 240)
        rounds.append(seen)
    print(f"\n{sum(seen.answers for seen in rounds)} acknowledged; " + "; ".join(map(str, rounds)))
    assert sum(seen.answers for seen in rounds) >= 2000
    assert [lost for seen in rounds if (lost := seen.lost(instance))] == []


@pytest.mark.soak
def test_no_write_is_lost_while_settings_are_rolled_out(instance: KnativeDeployment) -> None:
    with under_load(instance) as seen:
        instance.deploy(mlflow_server_access_log=True).succeeded()
        after = seen.answers
        eventually("writes to the new revision", lambda: seen.answers > after + 50, 240)
    print(f"\n{seen}")
    assert seen.lost(instance) == {}


@pytest.mark.soak
def test_an_upload_of_three_minutes_is_not_cut(instance: KnativeDeployment) -> None:
    """The autoscaler looks at the last six seconds."""
    instance.wait_until_asleep()
    path, parts, part = "/api/2.0/mlflow-artifacts/artifacts/slow/upload.bin", 90, b"x" * 2**17
    connection = http.client.HTTPConnection(instance.address, instance.port, timeout=300)
    begin = time.monotonic()
    connection.putrequest("PUT", path, skip_host=True)
    for name, value in (("Host", instance.host), ("Content-Length", str(parts * len(part)))):
        connection.putheader(name, value)
    connection.endheaders()
    for _part in range(parts):
        connection.send(part)
        time.sleep(2)
    assert connection.getresponse().status == 200
    seconds = time.monotonic() - begin
    connection.close()
    assert seconds >= 180
    assert ask(instance, "GET", path) == (200, part * parts)


def test_one_certificate_serves_the_names_of_all_at_the_gateway(instance: KnativeDeployment, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    names = f"DNS:*.{instance.namespace}.{instance.domain}"
    certificate, key = (file.read_text() for file in authority.issue("wildcard", names))
    metadata = {"name": "wildcard", "namespace": "knative-serving"}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata}
    refused = instance.play("knative", knative_tls_secret="wildcard")
    assert refused.code != 0 and "There is no Secret knative-serving/wildcard" in refused.message
    instance.kubectl.within("knative-serving").apply({**secret, "stringData": {"tls.crt": certificate, "tls.key": key}})
    try:
        instance.play("knative", knative_tls_secret="wildcard").succeeded()
        trusting = ssl.create_default_context(cafile=str(authority.file))

        def answers() -> bool:
            with (
                socket.create_connection((instance.address, 443), 120) as plain,
                trusting.wrap_socket(plain, server_hostname=instance.host) as connection,
            ):
                asked = f"GET /version HTTP/1.1\r\nHost: {instance.host}\r\nConnection: close\r\n\r\n"
                connection.sendall(asked.encode())
                return connection.recv(1024).startswith(b"HTTP/1.1 200 ")

        eventually("an answer over TLS", lambda: _without_errors(answers), 300, 2)
        eventually("https in its URL", lambda: instance.service()["status"]["url"] == f"https://{instance.host}", 120)
    finally:
        instance.play("knative").succeeded()
        instance.kubectl.within("knative-serving")("delete", "secret", "wildcard")


def _without_errors(answers: Callable[[], bool]) -> bool:
    """The gateway takes a while to hear of a certificate."""
    with contextlib.suppress(OSError):
        return answers()
    return False


def test_knative_stays_while_something_needs_it(instance: KnativeDeployment) -> None:
    refused = instance.play("knative", knative_remove=True)
    assert refused.code and "With Knative its services would go: t-knative/mlflow" in refused.message


def test_it_goes_with_what_it_was(instance: KnativeDeployment) -> None:
    instance.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True, mlflow_remove_namespace=True).succeeded()
    assert not instance.kubectl.has_namespace("t-knative")
    assert instance.kubectl.items(SERVICE, "--all-namespaces") == []


def test_knative_goes_with_all_that_the_role_made(instance: KnativeDeployment) -> None:
    instance.play("knative", knative_remove=True).succeeded()
    assert not instance.kubectl.has_namespace("knative-serving")
    assert not instance.kubectl.has_namespace("kourier-system")
    assert "knative.dev" not in instance.kubectl("get", "customresourcedefinitions,clusterroles", "--output=name")
