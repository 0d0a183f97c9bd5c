"""Three instances of a fleet on a real Knative: each comes with a request, goes without, and has data of its own.

pytest tests/cluster/test_kubernetes_fleet.py -m cluster
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import examples, exporter
from support.kubernetes.client import RealClient
from support.kubernetes.fleet import ADMINISTRATOR, COUNT, Fleet, volume_of_snapshots
from support.kubernetes.knative import SERVICE, KnativeDeployment, variables_of_the_cluster
from support.kubernetes.kubectl import Kubectl, eventually
from support.kubernetes.snapshots import ask
from support.playbooks import REPOSITORY, PlayResult

pytestmark = pytest.mark.cluster

LOG = """
run = client.create_run("0", run_name=os.environ["NAME"]).info.run_id
client.log_text(run, os.environ["NAME"], "whose.txt")
print(json.dumps(run))
"""
READ = """
import mlflow
mlflow.set_tracking_uri(uri)
print(json.dumps([[run.info.run_name, mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/whose.txt")]
                  for run in client.search_runs(["0"])]))
"""

CONNECT = """
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
        print("open")
    except OSError:
        print("shut")
"""


class Instance(KnativeDeployment):
    """One of the fleet, as its clients see it."""

    def __init__(self, cluster: Kubectl, namespace: str, variables: Path, number: int) -> None:
        super().__init__(cluster, namespace, variables)
        self.name = f"tenant-{number}"

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.{self.domain}"

    @contextlib.contextmanager
    def kept_awake(self) -> Iterator[None]:
        """By somebody who reads."""
        stop, answered = threading.Event(), threading.Event()

        def read() -> None:
            while not stop.wait(0.5):
                if ask(self, "GET", "/api/2.0/mlflow/experiments/search?max_results=1")[0] == 200:
                    answered.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            assert answered.wait(180), f"{self.name} did not wake"
            yield
        finally:
            stop.set()
            reader.join(70)


@pytest.fixture(scope="module")
def variables() -> Path:
    return variables_of_the_cluster()


@pytest.fixture(scope="module")
def fleet(cluster: Kubectl, variables: Path) -> Iterator[Fleet]:
    # The quota of a deployment's namespace is for that deployment.
    with Fleet(cluster, "t-fleet", variables, cluster_prerequisites_quota=False).prepared() as found:
        yield found


@pytest.fixture(scope="module")
def deployed(fleet: Fleet) -> PlayResult:
    return fleet.fleet().succeeded()


@pytest.fixture(scope="module")
def instances(cluster: Kubectl, variables: Path, deployed: PlayResult) -> list[Instance]:
    assert deployed.of("Apply what differs")["created"] == [f"tenant-{number}" for number in range(1, COUNT + 1)]
    return [Instance(cluster, "t-fleet", variables, number) for number in range(1, COUNT + 1)]


def test_a_second_run_changes_nothing(fleet: Fleet, instances: list[Instance]) -> None:
    again = fleet.fleet().succeeded()
    assert again.stats["changed"] == 0
    assert again.of("Apply what differs")["counts"]["unchanged"] == len(instances)


def test_each_has_a_database_of_its_own_that_no_other_tenant_enters(fleet: Fleet, instances: list[Instance]) -> None:
    assert fleet.databases() == [one.name for one in instances]
    entered = fleet.sql("SELECT has_database_privilege('tenant-1', 'tenant-2', 'CONNECT')")
    assert entered.strip() == "f"
    pods = fleet.kubectl("get", "services.serving.knative.dev", "--output=json")
    assert ADMINISTRATOR not in pods and fleet.jobs() == []


def test_a_tenants_server_is_not_reached_from_anothers(fleet: Fleet, instances: list[Instance]) -> None:
    with instances[0].kept_awake(), instances[1].kept_awake():
        here, there = (fleet.server_of(one.name) for one in instances[:2])
        tried = fleet.kubectl(
            "exec", here["metadata"]["name"], "--container=mlflow", "--", "python", "-c", CONNECT,
            "mlflow-database:5432", f"{there['status']['podIP']}:5000", f"{there['status']['podIP']}:8012",
        )  # fmt: skip
    assert tried.split() == ["open", "shut", "shut"], "the database, which all share, and another tenant's server"


@pytest.mark.ci
def test_each_has_its_own_data_also_after_it_slept(
    fleet: Fleet, instances: list[Instance], real_client: RealClient
) -> None:
    for one in instances:
        real_client.run(one, LOG, port=one.port)
    fleet.wait_until_asleep()
    before = fleet.pods_made()
    told = fleet.check().succeeded().of("Check the instances without waking any")
    assert told["counts"] == {"declared": COUNT, "healthy": COUNT, "unhealthy": 0, "stopped": 0, "undeclared": 0}
    assert fleet.pods_made() == before, "health wakes nobody"
    for one in instances:
        assert real_client.run(one, READ, port=one.port) == [[one.host, one.host]]


@pytest.mark.ci
def test_a_load_test_wakes_who_slept_measures_that_apart_and_leaves_nothing(
    fleet: Fleet, instances: list[Instance], tmp_path: Path
) -> None:
    fleet.wait_until_asleep()
    slos = {"all": {"error_rate": 0}, "wake": {"error_rate": 0, "p95_ms": 180_000}}
    played = fleet.load(tmp_path, locust_slos=slos).succeeded()
    assert "The load test passed: 3 objectives held" in played.of("Report the verdict")["msg"]
    report = json.loads((tmp_path / "result.json").read_text())
    wake = next(one for one in report["operations"] if one["name"] == "wake")
    # One was inspected, and so woken, before.
    assert 1 <= wake["requests"] <= COUNT and wake["min_ms"] > 500, wake
    assert report["total"]["p50_ms"] < wake["p50_ms"]
    (taken,) = report["servers"]
    assert taken["measured"] and taken["processes_peak"] >= 1 and taken["memory_peak_bytes"] > 100 * 2**20, taken
    assert report["clean_up"]["left"] == []
    print(f"\nwoken within {wake['p95_ms']} ms, then p95 {report['total']['p95_ms']} ms")


def test_a_backup_of_all_wakes_none_names_who_failed_and_is_gone_on_with(
    fleet: Fleet, instances: list[Instance]
) -> None:
    task = "Carry it out on all instances, backup"
    for one in instances[:-1]:
        fleet.kubectl.apply(volume_of_snapshots(one.name))
    fleet.wait_until_asleep()
    before = fleet.pods_made()
    told = fleet.operate("backup")
    last = instances[-1].name
    assert told.code != 0 and f"{last} (there is no PersistentVolumeClaim {last}-backup)" in told.message
    counts = {"declared": COUNT, "changed": COUNT - 1, "unchanged": 0, "failures": 1}
    assert told.of(task)["counts"] == counts, told.message
    fleet.kubectl.apply(volume_of_snapshots(instances[-1].name))
    again = fleet.operate("backup").succeeded().of(task)
    assert [one["name"] for one in again["instances"]] == [last], "the others have one of the last hours"
    assert again["jobs"] == 2 and fleet.jobs() == []
    assert fleet.pods_made() == before, "no server was woken"
    for one in instances:
        fleet.kubectl("delete", "persistentvolumeclaim", f"{one.name}-backup", "--wait=false")


def test_schema_and_health_of_all(fleet: Fleet, instances: list[Instance]) -> None:
    told = fleet.operate("schema").succeeded().of("Carry it out on all instances, schema")
    assert told["counts"] == {"declared": COUNT, "changed": 0, "unchanged": COUNT, "failures": 0}
    told = fleet.operate("health").succeeded().of("Carry it out on all instances, health")
    assert told["counts"]["failures"] == 0
    fleet.wait_until_asleep()
    fleet.sql('ALTER DATABASE "tenant-2" RENAME TO "tenant-2-away"')
    try:
        told = fleet.operate("health")
        assert told.code != 0 and "Of 3 instances 1 failed" in told.message and "tenant-2 (" in told.message
    finally:
        fleet.sql('ALTER DATABASE "tenant-2-away" RENAME TO "tenant-2"')


MONITORED = {"mlflow_monitoring_enabled": True, "mlflow_monitoring_interval": 5}


def test_one_exporter_measures_all_of_them_and_wakes_none(fleet: Fleet, instances: list[Instance]) -> None:
    def scraped() -> exporter.Values:
        """By the address of the pod, as Prometheus does it."""
        [pod] = fleet.kubectl.pods("monitoring")
        return exporter.scrape(f"http://{pod['status']['podIP']}:9500/metrics")

    def states(values: exporter.Values) -> dict[str, float]:
        return {labels[0]: value for (name, labels), value in values.items() if name == "fleet_instances" and value}

    fleet.wait_until_asleep()
    before = fleet.pods_made()
    fleet.fleet(**MONITORED).succeeded()
    assert fleet.fleet(**MONITORED).succeeded().stats["changed"] == 0
    values = exporter.until(scraped, lambda values: states(values) == {"sleeping": COUNT})
    assert exporter.unmeasured(values) == set() and values["fleet_instances_declared", ()] == COUNT
    assert fleet.pods_made() == before, "the exporter wakes nobody"
    with instances[0].kept_awake():
        exporter.until(scraped, lambda values: states(values) == {"awake": 1, "sleeping": COUNT - 1})
    name = instances[1].name
    fleet.kubectl("delete", SERVICE, name)
    since = ("fleet_unhealthy_since_timestamp_seconds", (name, "missing"))
    values = exporter.until(scraped, lambda values: since in values)
    assert states(values)["unhealthy"] == 1 and values["fleet_instances_present", ()] == COUNT - 1
    fleet.fleet(**MONITORED).succeeded()
    exporter.until(scraped, lambda values: "unhealthy" not in states(values) and since not in values)


def test_the_exporter_of_the_fleet_may_list_and_nothing_else(fleet: Fleet, instances: list[Instance]) -> None:
    account = f"--as=system:serviceaccount:{fleet.namespace}:fleet-monitoring"
    for verb, kind, answer in (
        *(("list", kind, "yes") for kind in (SERVICE, "pods", "persistentvolumeclaims", "configmaps")),
        *(("list", kind, "no") for kind in ("secrets", "deployments.apps")),
        *((verb, SERVICE, "no") for verb in ("get", "patch", "delete")),
    ):
        assert answer in fleet.kubectl("auth", "can-i", verb, kind, account, check=False).split(), (verb, kind)


def test_an_edit_is_put_right(fleet: Fleet, instances: list[Instance]) -> None:
    body = '{"spec":{"template":{"spec":{"timeoutSeconds":77}}}}'
    fleet.kubectl("patch", SERVICE, instances[0].name, "--type=merge", f"--patch={body}")
    assert fleet.fleet().succeeded().of("Apply what differs")["updated"] == [instances[0].name]


def test_a_wrong_image_reaches_the_first_wave_alone_and_the_right_one_goes_on(
    fleet: Fleet, instances: list[Instance], real_client: RealClient
) -> None:
    names = [one.name for one in instances]
    waves = {"mlflow_fleet_wave": 1, "mlflow_server_initial_replicas": 1, "mlflow_fleet_prune": True}
    assert fleet.fleet(**waves).succeeded().of("Apply what differs")["updated"] == names
    wrong = fleet.fleet(**waves, mlflow_image="mlops-test.local/absent:1", mlflow_fleet_wait_timeout=60)
    assert wrong.code != 0 and f"stopped after wave 1 of {COUNT}: the {COUNT - 1} instances" in wrong.message
    assert names[0] in fleet.check().message
    assert real_client.run(instances[1], READ, port=instances[1].port) == [[instances[1].host, instances[1].host]]
    assert fleet.fleet(**waves).succeeded().of("Apply what differs")["updated"] == names[:1]
    fleet.check().succeeded()
    assert fleet.fleet().succeeded().of("Apply what differs")["updated"] == names


def test_an_instance_is_operated_like_any_other(fleet: Fleet, instances: list[Instance]) -> None:
    name_of_one = instances[1].name
    said = fleet.play_on_instances("status", mlflow_name=name_of_one).succeeded().of("Show the status")["msg"]
    assert f"KnativeService {name_of_one}" in said
    healthy = fleet.play_on_instances("health", mlflow_name=name_of_one, mlflow_health_level="deep").succeeded()
    assert healthy.of("Report the verdict")["msg"].startswith("healthy at level deep")


def test_what_is_declared_no_more_goes_and_the_others_stay(fleet: Fleet, instances: list[Instance]) -> None:
    fleet.fleet(mlflow_fleet_count=COUNT - 1, mlflow_fleet_prune=True).succeeded()
    eventually("the last instance gone", lambda: len(fleet.instances()) == COUNT - 1)
    assert fleet.kubectl.json("get", "persistentvolumeclaim", f"{instances[-1].name}-artifacts")


@pytest.mark.ci
def test_all_of_them_go_and_what_is_not_theirs_stays(fleet: Fleet, instances: list[Instance]) -> None:
    # A pod whose image was wrong stays for minutes, and uses no database.
    using = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'tenant-%'"
    eventually("no server uses a database", lambda: fleet.sql(using).strip() == "0", 180)
    removed = {"mlflow_fleet_destroy": True, "mlflow_remove_data": True, "mlflow_fleet_remove_databases": True}
    fleet.fleet(**removed).succeeded()
    assert fleet.databases() == []
    eventually("all instances gone", lambda: not fleet.instances())
    kinds = "persistentvolumeclaim,secret,configmap,cronjob,networkpolicy,serviceaccount,deployment,role,rolebinding"

    def left() -> list[str]:
        return fleet.kubectl("get", kinds, "--output=name").split()

    def of_instances() -> list[str]:
        return [line for line in left() if any(one.name in line for one in instances)]

    # A volume goes with the last pod that has it.
    with contextlib.suppress(AssertionError):
        eventually("nothing of the instances left", lambda: not of_instances(), 180)
    assert of_instances() == []
    assert not [line for line in left() if "fleet-monitoring" in line], "nor of what measured them"
    assert "mlflow-database" in " ".join(left())


# As their playbooks do, before what an example shows.
SAMPLE = {"ansible.builtin.include_tasks": str(REPOSITORY / "playbooks" / "tasks" / "fleet_sample.yml")}
SAMPLE_TO_BACK_UP = {**SAMPLE, "vars": {"mlflow_fleet_operation": "backup"}}
DATABASES = {
    "ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_fleet", "tasks_from": "databases"},
    "vars": {"mlflow_fleet_databases_state": "present", "mlflow_fleet_objects": "{{ kubernetes_manifests_collected }}"},
}
STOP = {"mlops.mlflow.mlflow_workload": {"namespace": "t-fleet", "kind": "KnativeService", "state": "stopped"}}
# What each changes.
CHANGES = {
    "Start a Service of Knative that was stopped": True,
    "Deploy 200 instances, one of which never sleeps": True,
    "Fail unless each of 200 instances is healthy": False,
    "List the instances of a fleet, and which are awake": False,
    "Back up each of 200 instances that has no snapshot of the last 12 hours": True,
    "Change them 20 at a time, and stop at the first that does not get ready": True,
    "Report what is there, do not fail": False,
    "Deploy three instances, and remove all others of the fleet without their data": True,
    "Migrate the schema of two, with the image of the sample": False,
}
BEFORE = {
    "Start a Service of Knative that was stopped": [STOP],
    "Deploy 200 instances, one of which never sleeps": [SAMPLE, DATABASES],
    "Back up each of 200 instances that has no snapshot of the last 12 hours": [SAMPLE_TO_BACK_UP],
    "Change them 20 at a time, and stop at the first that does not get ready": [SAMPLE],
}


def test_the_examples_of_a_fleet_do_what_they_say(cluster: Kubectl, fleet: Fleet, tmp_path: Path) -> None:
    places = {
        "context: kind-mlflow": f"context: {cluster.context}",
        "namespace: team-a": f"namespace: {fleet.namespace}",
        "namespace: tenants": f"namespace: {fleet.namespace}",
        "namespace: teams": f"namespace: {fleet.namespace}",
        # All are one fleet here, whose size is the reader's own.
        "name: teams": "name: tenants",
        "count: 200": "count: 2",
        "tenant-0042": "tenant-0002",
        "wave: 20": "wave: 1",
        "postgresql+psycopg://mlflow@db:5432": "postgresql+psycopg2://mlflow-fleet-sample-owner@mlflow-database:5432",
    }
    tasks = examples.at("knative", places)
    assert set(tasks) == set(CHANGES)
    instances = {
        "mlflow_name": "mlflow-fleet-sample",
        "mlflow_fleet_name": "tenants",
        "mlflow_fleet_count": 2,
        "mlflow_fleet_pattern": "tenant-####",
        "mlflow_fleet_instances": [{"name": name} for name in ("vision", "speech", "search")],
        # Servers of a wave must start, or Knative calls them ready whatever they are.
        "mlflow_server_initial_replicas": 1,
    }
    for number in (1, 2):
        fleet.kubectl.apply(volume_of_snapshots(f"tenant-000{number}"))
    sample = fleet.with_variables(**fleet.of_instances, **instances)
    found = examples.run(sample, tasks, CHANGES, tmp_path, before=BEFORE, connections=False)
    deployed, changed, teams = (found[one] for one in tasks if "mlops.mlflow.mlflow_fleet" in tasks[one])
    assert deployed["created"] == ["tenant-0001", "tenant-0002"] and changed["updated"] == ["tenant-0002"]
    assert sorted(teams["created"]) == ["search", "speech", "vision"]
    assert {"PersistentVolumeClaim tenant-0001-artifacts", "Secret tenant-0001-database"} <= set(teams["kept"])
    assert not [one for one in fleet.instances("tenants") if one.startswith("tenant-")]
