"""Artifacts in a real SeaweedFS: who may reach and do what, what is kept when it dies, backups, and what is left."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything, inspect, is_healthy, kill_all
from support.kubernetes.kubectl import eventually
from support.kubernetes.snapshots import (
    ask,
    what_was_deleted_after_a_backup_is_there_again_after_the_restore,
)

pytestmark = pytest.mark.compose

STORE = "t-weed-artifacts"
S3_PORT, S3_GRPC_PORT = 7070, 17070
# What a client of gRPC says first, in clear.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
WORK = "/api/2.0/mlflow-artifacts/artifacts/work"
IDENTITIES = {"server": "", "reader": "reader-", "admin": "admin-"}


@pytest.fixture(scope="module")
def weed(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "compose_single_az",
        "t-weed",
        mlflow_artifact_store_type="seaweedfs",
        mlflow_backup_enabled=True,
        mlflow_backup_scheduler="none",
        mlflow_server_port=5006,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def address() -> str:
    [network] = inspect(STORE)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def keys(deployment: Deployment) -> dict[str, str]:
    return {path.name: path.read_text() for path in (deployment.folder / "secrets").glob("s3-*")}


def bucket(deployment: Deployment, identity: str, name: str = "mlflow") -> S3Store:
    found, prefix = keys(deployment), f"s3-{IDENTITIES[identity]}"
    return S3Store(
        name,
        endpoint=f"http://{address()}:{S3_PORT}",
        region="us-east-1",
        access_key_id=found[f"{prefix}access-key"],
        secret_access_key=found[f"{prefix}secret-key"],
        client_options={"allow_http": True},
    )


def may(action: Callable[[], object]) -> bool:
    """Whether it is done; a refusal must be one of rights."""
    try:
        action()
    except (BaseError, FileNotFoundError) as refused:
        assert "AccessDenied" in str(refused) or "403" in str(refused), refused
        return False
    return True


def test_a_second_run_changes_nothing_and_restarts_nothing(weed: Deployment) -> None:
    assert weed.first is not None
    assert "was started and proven with the real client" in str(
        weed.first.of("Report where MLflow is and what to do next")
    )
    before = weed.started()
    assert weed.deploy().succeeded().stats["changed"] == 0
    assert weed.started() == before


def test_each_identity_may_do_its_own_work_and_nothing_else(weed: Deployment) -> None:
    server, reader, admin = (bucket(weed, name) for name in IDENTITIES)
    assert may(lambda: obstore.put(server, "proof/x", b"x"))
    assert bytes(obstore.get(reader, "proof/x").bytes()) == b"x"
    assert not may(lambda: obstore.put(reader, "proof/x", b"y"))
    assert not may(lambda: obstore.delete(reader, "proof/x"))
    assert not may(lambda: obstore.put(bucket(weed, "server", "other"), "proof/x", b"x"))
    assert may(lambda: obstore.put(admin, "proof/y", b"y"))
    nobody = S3Store(
        "mlflow", endpoint=f"http://{address()}:{S3_PORT}", skip_signature=True, client_options={"allow_http": True}
    )
    assert not may(lambda: obstore.get(nobody, "proof/x"))
    assert not may(lambda: obstore.put(nobody, "proof/z", b"z"))
    assert may(lambda: obstore.delete(server, ["proof/x", "proof/y"]))


def listening(name: str) -> set[int]:
    """Ports of a container on which others than itself could reach it."""
    pid = inspect(name)["State"]["Pid"]
    found: set[int] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _number, local, _remote, state, *_rest = line.split()
            place, _, port = local.rpartition(":")
            if state == "0A" and place not in ("0100007F", "00000000000000000000000001000000"):
                found.add(int(port, 16))
    return found


def answer_to_grpc(port: int) -> bytes:
    with socket.create_connection((address(), port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(GREETING)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            return connection.recv(64)
    return b""


def test_only_s3_is_reached_which_asks_for_keys(weed: Deployment) -> None:
    assert listening(STORE) - {int(port) for port in _of_dockers_resolver()} == {S3_PORT, S3_GRPC_PORT}
    # It would give an identity to whoever asks: https://github.com/seaweedfs/seaweedfs, service SeaweedS3IamCache.
    assert answer_to_grpc(S3_GRPC_PORT) == b""


def _of_dockers_resolver() -> set[str]:
    """Docker's answers to names, at 127.0.0.11 of each container."""
    pid = inspect(STORE)["State"]["Pid"]
    rows = (line.split()[1] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    return {str(int(row.partition(":")[2], 16)) for row in rows if row.startswith("0B00007F")}


def test_no_acknowledged_artifact_is_lost_when_it_is_killed_under_load(weed: Deployment) -> None:
    sent: dict[str, bytes] = {}
    tried: list[str] = []
    stop = threading.Event()

    def write(thread: int) -> None:
        for number in range(10_000):
            if stop.is_set():
                return
            name, data = f"{thread}-{number}", os.urandom(20_000 + number)
            tried.append(name)
            with contextlib.suppress(OSError):
                if ask(weed, "PUT", f"{WORK}/{name}", data)[0] == 200:
                    sent[name] = data

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _kill in range(2):
            before = len(sent)
            eventually("artifacts are written", lambda: len(sent) > before + 20)  # noqa: B023
            started = inspect(STORE)["State"]["StartedAt"]
            kill_all(STORE)
            eventually("it was started again", lambda: inspect(STORE)["State"]["StartedAt"] != started)  # noqa: B023
            eventually("it is healthy", lambda: is_healthy(STORE), 120)
        before = len(sent)
        eventually("artifacts are written again", lambda: len(sent) > before + 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    lost = [name for name, data in sent.items() if ask(weed, "GET", f"{WORK}/{name}") != (200, data)]
    print(f"\n{len(sent)} artifacts were acknowledged, {len(lost)} lost in 2 kills")
    assert lost == []
    for name in tried:
        # What nobody acknowledged may be there all the same.
        assert ask(weed, "DELETE", f"{WORK}/{name}")[0] == 200 or name not in sent


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(weed: Deployment) -> None:
    what_was_deleted_after_a_backup_is_there_again_after_the_restore(weed)


def test_keys_appear_nowhere(weed: Deployment, tmp_path: Path) -> None:
    found = keys(weed)
    assert len(found) == 6 and all(len(value) > 20 for value in found.values())
    shown = {
        "Ansible": weed.screen(tmp_path, "-vvv", "--diff"),
        "inspect": docker("inspect", STORE),
        "log": docker("logs", STORE),
        "processes": docker("top", STORE, "-o", "pid,args"),
        "project": (weed.folder / "compose" / "artifacts" / "compose.yaml").read_text(),
    }
    assert {(place, name) for place, text in shown.items() for name, key in found.items() if key in text} == set()


def test_a_removal_keeps_objects_and_keys_unless_it_is_told_otherwise(weed: Deployment) -> None:
    assert ask(weed, "PUT", f"{WORK}/kept", b"kept")[0] == 200
    before = keys(weed)
    weed.destroy().succeeded()
    assert not weed.containers() and keys(weed) == before
    weed.deploy().succeeded()
    assert ask(weed, "GET", f"{WORK}/kept") == (200, b"kept")
    weed.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded()
    assert not keys(weed)
    assert not [name for kind in everything("t-weed").values() for name in kind if name.startswith("t-weed")]


def test_a_bucket_of_no_legal_name_is_refused_before_anything_is_changed(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_single_az", "t-bad-weed", mlflow_artifact_store_type="seaweedfs")
    refused = deployment.deploy(mlflow_artifact_store_bucket="My_Bucket")
    assert refused.code and "is no bucket of SeaweedFS" in refused.message
    assert not list(deployment.folder.rglob("*"))


def test_the_volume_of_another_store_is_left_alone(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_single_az", "t-other-weed", mlflow_server_port=5007, mlflow_server_rollout_timeout=60)
    deployment.deploy().succeeded()
    refused = deployment.deploy(mlflow_artifact_store_type="seaweedfs")
    assert refused.code, "its objects would not be seen any more"
    assert "did not write" in docker("logs", "t-other-weed-artifacts")
    deployment.deploy().succeeded()
