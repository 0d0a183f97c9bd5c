"""Each target from nothing to deep-healthy, what a user sees of it, and that nothing is left of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything, inspect
from support.environments import pinned_version
from support.kubernetes.client import RealClient

pytestmark = pytest.mark.compose

# The kernel has no NFS client on most test machines: a shared volume in the export's place, with the same topology.
TARGETS = {
    "compose_local": {},
    "compose_single_az": {"mlflow_server_auth": "basic"},
    "compose_multi_az_nfs": {"mlflow_artifact_store_type": "volume"},
}
# Of files that may be shown to anybody.
WRITTEN = (".yaml", ".json", ".ini", ".cfg")
LOG_A_RUN = """
run = client.create_run("0")
client.log_metric(run.info.run_id, "loss", 0.25)
client.log_text(run.info.run_id, "a b c", "notes.txt")
print(json.dumps(run.info.run_id))
"""
DELETE_A_RUN = """
run = client.create_run("0").info.run_id
client.log_text(run, "a b c", "notes.txt")
client.delete_run(run)
print(json.dumps(run))
"""
READ_THE_RUN = """
import tempfile
from mlflow import artifacts
run = client.get_run(os.environ["RUN"])
path = client.download_artifacts(run.info.run_id, "notes.txt", tempfile.mkdtemp())
print(json.dumps([run.data.metrics, open(path).read()]))
"""


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_deployed_from_nothing_used_kept_and_removed_without_a_trace(
    make: Callable[..., Deployment], real_client: RealClient, target: str
) -> None:
    name = "t-" + target.removeprefix("compose_").replace("_", "-")
    deployment = make(target, name, mlflow_server_port=5001, **TARGETS[target])
    before = everything(deployment.name)
    start = time.monotonic()
    deployed = deployment.deploy().succeeded()
    print(f"\n{target} deployed from nothing in {time.monotonic() - start:.0f} s")
    summary = deployed.of("Report where MLflow is and what to do next")["msg"]
    assert "was started and proven with the real client" in summary
    assert "http://127.0.0.1:5001" in summary
    health = deployment.play("health", mlflow_health_level="full").succeeded()
    assert "healthy at level full" in health.of("Report the verdict")["msg"]

    second = deployment.deploy().succeeded()
    assert second.stats["changed"] == 0
    assert "Nothing was changed." in second.of("Report where MLflow is and what to do next")["msg"]

    if "mlflow_server_auth" not in TARGETS[target]:
        run = real_client.run(deployment, LOG_A_RUN, port=5001)
        refused = deployment.play("destroy")
        assert refused.code and "-e mlflow_destroy=true" in refused.message
        deployment.destroy().succeeded()
        assert not deployment.containers()
        deployment.deploy().succeeded()
        assert real_client.run(deployment, READ_THE_RUN, port=5001, RUN=run) == [{"loss": 0.25}, "a b c"]

    deployment.destroy(mlflow_remove_data=True).succeeded()
    assert everything(deployment.name) == before
    left = [path for path in deployment.folder.rglob("*") if path.is_file()]
    assert left == []


def test_a_deployment_from_nothing_says_where_it_is_and_was_proven(multi_az: Deployment) -> None:
    assert multi_az.first is not None
    summary = multi_az.first.of("Report where MLflow is and what to do next")["msg"]
    assert "was started and proven with the real client" in summary
    assert "zone_outage.yml" in summary


def test_a_second_run_changes_nothing_and_restarts_nothing(multi_az: Deployment) -> None:
    before = multi_az.started()
    with multi_az.as_users_do():
        assert multi_az.deploy().succeeded().stats["changed"] == 0
    assert multi_az.started() == before


def test_check_mode_says_what_a_changed_wish_would_change_and_changes_nothing(multi_az: Deployment) -> None:
    before = multi_az.started()
    result = multi_az.deploy("--check", mlflow_server_access_log=True).succeeded()
    assert result.stats["changed"] > 0
    # Also one with which the server is at another URL.
    assert multi_az.deploy("--check", mlflow_server_static_prefix="/mlflow").succeeded().stats["changed"] > 0
    assert multi_az.deploy("--check").succeeded().stats["changed"] == 0
    assert multi_az.started() == before


def test_check_mode_of_a_first_deployment_touches_nothing(make: Callable[..., Deployment]) -> None:
    deployment = make("compose_single_az", "t-check", mlflow_server_port=5002)
    before = everything(deployment.name)
    assert deployment.deploy("--check").succeeded().stats["changed"] > 0
    assert everything(deployment.name) == before
    assert not list(deployment.folder.rglob("*"))


def test_status_names_every_container_and_what_the_servers_hold(multi_az: Deployment) -> None:
    said = multi_az.play("status").succeeded().of("Show the status")["msg"]
    for name in multi_az.containers():
        assert f"{name}: running, healthy" in said
    assert f"Version      {pinned_version()}" in said
    assert "Experiments" in said


def test_what_users_deleted_is_removed_for_good_when_that_is_meant(
    multi_az: Deployment, real_client: RealClient
) -> None:
    run = real_client.run(multi_az, DELETE_A_RUN)
    refused = multi_az.play("gc", mlflow_gc_older_than="0s")
    assert refused.code and "-e mlflow_gc=true" in refused.message
    assert run in str(refused.of("Show what there was and what there is")["msg"])
    done = multi_az.play("gc", mlflow_gc=True, mlflow_gc_older_than="0s").succeeded()
    found = done.of("Remove what was deleted long enough ago")
    assert found["changed"] and found["before"]["runs"] >= 1
    assert (found["after"]["runs"], found["left"], found["problems"]) == (0, [], [])


def test_each_server_is_in_one_zone_and_what_both_need_is_in_both(multi_az: Deployment) -> None:
    def networks(container: str) -> set[str]:
        return set(inspect(container)["NetworkSettings"]["Networks"])

    zones = {"t-multi-a", "t-multi-b"}
    assert [networks(server) for server in multi_az.servers()] == [{"t-multi-a"}, {"t-multi-b"}]
    for shared in ("t-multi-database", "t-multi-artifacts", "t-multi-load-balancer"):
        assert networks(shared) == zones
    subnets = [json.loads(docker("network", "inspect", zone))[0]["IPAM"]["Config"][0]["Subnet"] for zone in zones]
    assert len(set(subnets)) == 2


def test_only_the_front_is_reached_from_the_host(multi_az: Deployment) -> None:
    published = {name: inspect(name)["HostConfig"]["PortBindings"] or {} for name in multi_az.containers()}
    ports = published.pop("t-multi-load-balancer")
    assert ports == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5000"}]}
    assert not any(published.values())


def test_containers_run_without_rights(multi_az: Deployment) -> None:
    for name in multi_az.containers():
        found = inspect(name)
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] and host["NanoCpus"] and host["PidsLimit"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert found["Config"]["User"].split(":")[0] not in ("", "0", "root")
        status = Path(f"/proc/{found['State']['Pid']}/status").read_text().splitlines()
        facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        assert int(facts["CapEff"], 16) == 0 and facts["NoNewPrivs"] == "1"
        assert "0" not in facts["Uid"].split()


def test_the_servers_role_cannot_change_the_schema(multi_az: Deployment) -> None:
    assert multi_az.sql("SELECT count(*) >= 0 FROM runs", user="mlflow") == "t"
    assert "permission denied for schema public" in multi_az.sql("CREATE TABLE mine()", user="mlflow")
    assert "must be owner of table runs" in multi_az.sql("ALTER TABLE runs ADD COLUMN mine text", user="mlflow")
    assert "must be owner of table runs" in multi_az.sql("DROP TABLE runs", user="mlflow")


def test_a_server_refuses_a_schema_that_is_not_its_own_before_it_starts(multi_az: Deployment) -> None:
    revision = multi_az.sql("SELECT version_num FROM alembic_version")
    old = "bd07f7e963c5"
    multi_az.sql(f"UPDATE alembic_version SET version_num = '{old}'")
    try:
        refused = multi_az.deploy(mlflow_server_access_log=True)
        assert refused.code
        for word in ("is older", old, revision, "Nothing was changed"):
            assert word in refused.message
        assert multi_az.sql("SELECT version_num FROM alembic_version") == old
    finally:
        multi_az.sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    multi_az.deploy().succeeded()
    multi_az.wait_until_healthy()


def test_secrets_appear_nowhere(make: Callable[..., Deployment], tmp_path: Path) -> None:
    deployment = make("compose_single_az", "t-secret", mlflow_server_port=5003, mlflow_server_auth="basic")
    given = {"mlflow_server_auth_password": "Given-by-a-vault-1"}
    try:
        screen = deployment.screen(tmp_path, "-vvv", "--diff", **given)
        names = deployment.containers()
        places = {
            "what Ansible prints": screen,
            "second run": deployment.screen(tmp_path, "-vvv", "--diff", "-e", "mlflow_server_access_log=true", **given),
            **{f"docker inspect {name}": docker("inspect", name) for name in names},
            **{f"docker logs {name}": docker("logs", name) for name in names},
            **{f"docker top {name}": docker("top", name, "-o", "pid,args") for name in names},
            **{str(path): path.read_text() for path in deployment.folder.rglob("*") if path.suffix in WRITTEN},
        }  # fmt: skip
        kept = deployment.folder / "secrets"
        secrets = {path.name: path.read_text().strip() for path in kept.iterdir()}
        assert set(secrets) == {
            "admin-password", "flask-secret-key", "database-password", "database-owner-password", "s3-access-key",
            "s3-secret-key", "gateway-passphrase", "webhook-key",
        }  # fmt: skip
        assert secrets["admin-password"] == given["mlflow_server_auth_password"]
        assert all(places.values()) and all(len(value) > 10 for value in secrets.values())
        found = {(place, name) for place, text in places.items() for name, value in secrets.items() if value in text}
        assert found == set()
        assert oct(kept.stat().st_mode)[-3:] == "700"
        for folder in ("server", "compose/database", "compose/artifacts"):
            assert oct((deployment.folder / folder).stat().st_mode)[-3:] == "700"
    finally:
        deployment.remove()
