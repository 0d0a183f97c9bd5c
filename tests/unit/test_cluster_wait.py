"""Cluster: waiting for a roll-out, and saying in words why it does not come."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client, pods, rollout, watch
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster, ClusterError
from support.fake_cluster import (
    NAMESPACE,
    Api,
    Object,
    States,
    container,
    crashed,
    deployment,
    ended,
    job,
    of,
    ops_line,
    pod,
    replica_sets,
    stateful_set,
)

SERVER = {"kind": "Deployment", "name": "mlflow"}
SETUP = {"kind": "Job", "name": "mlflow-setup"}
DEPLOYMENT = "/apis/apps/v1/namespaces/team-a/deployments/mlflow"
JOB = "/apis/batch/v1/namespaces/team-a/jobs/mlflow-setup"
PODS = f"{NAMESPACE}/pods"
EVENTS = f"{NAMESPACE}/events"
SETS = "/apis/apps/v1/namespaces/team-a/replicasets"
STATEFUL_SET = "/apis/apps/v1/namespaces/team-a/statefulsets/mlflow-database"


class Clock:
    """Time that passes only while nothing happens."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    class Quick(watch.Watch):
        """What the cluster does not tell within a moment does not come."""

        def change(self, seconds: float) -> bool:
            if super().change(0.3):
                return True
            clock.now += seconds
            return False

    monkeypatch.setattr(rollout, "time", clock)
    monkeypatch.setattr(rollout, "Watch", Quick)
    return clock


def waited(answers: dict[str, Any], *workloads: dict[str, str], seconds: float = 5) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    answers = {SETS: replica_sets(), **answers}
    found = rollout.wait(Cluster(Api(answers)), "team-a", "mlflow", workloads or (SERVER,), seconds, said.append)
    return found, said


def why(answers: dict[str, Any], *workloads: dict[str, str]) -> str:
    with pytest.raises(ClusterError) as failed:
        waited(answers, *workloads)
    return str(failed.value)


def test_what_runs_already_is_not_waited_for(clock: Clock) -> None:
    assert waited({DEPLOYMENT: deployment()})[0] == {"seconds": 0.0, "jobs": {}}


def test_progress_is_said_once_each() -> None:
    states = States(None, *[deployment(2, 1)] * 5, deployment())
    _found, said = waited({DEPLOYMENT: states, PODS: []})
    assert said == ["Deployment/mlflow: does not exist", "Deployment/mlflow: 1 of 2 ready"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (deployment(observedGeneration=2), "not observed yet"),
        (deployment(updatedReplicas=1), "1 of 2 ready"),
        (deployment(replicas=3), "2 of 2 ready"),
        ({**deployment(), "status": {}}, "not observed yet"),
    ],
    ids=["a change not seen yet", "an old server left", "an old server on its way out", "brand new"],
)
def test_a_roll_out_is_over_only_when_nothing_old_is_left(state: Object, reason: str) -> None:
    assert f"Deployment/mlflow: {reason}." in why({DEPLOYMENT: state, PODS: []})


def test_a_job_returns_what_its_containers_said() -> None:
    done = pod(
        "mlflow-setup-abc",
        ended(ops_line(changed=True, revision="r"), 0),
        phase="Succeeded",
        initContainerStatuses=[ended(ops_line(bucket="b"), 0, "bucket")],
    )
    found, _said = waited(
        {DEPLOYMENT: deployment(), JOB: job("SuccessCriteriaMet", "Complete"), PODS: [done]}, SERVER, SETUP
    )
    assert found["jobs"] == {"mlflow-setup": {"bucket": {"bucket": "b"}, "schema": {"changed": True, "revision": "r"}}}


def test_a_job_whose_pod_is_gone_returns_nothing() -> None:
    assert waited({JOB: job("Complete"), PODS: []}, SETUP)[0]["jobs"] == {"mlflow-setup": {}}


def test_a_result_that_is_too_long_for_the_pods_status_is_read_from_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ops_line(rows={f"table_{number}": number for number in range(400)})
    monkeypatch.setattr(client.Cluster, "log", lambda *_place: whole)
    finished = pod("a", ended(whole[:4096], 0), phase="Succeeded")
    found, _said = waited({JOB: job("Complete"), PODS: [finished]}, SETUP)
    assert found["jobs"]["mlflow-setup"]["schema"]["rows"]["table_399"] == 399


def test_a_failed_job_is_reported_at_once_by_what_its_container_said(clock: Clock) -> None:
    failed = pod(
        "mlflow-setup-abc",
        ended("log line\n" + ops_line(failed=True, msg="No CREATE for role mlflow.")),
        phase="Failed",
    )
    message = why({JOB: job("FailureTarget", "Failed"), PODS: [failed]}, SETUP)
    assert message == "The Job team-a/mlflow-setup failed at schema: No CREATE for role mlflow."
    assert clock.now == 0


def test_a_failed_job_names_the_initial_container_that_failed() -> None:
    failed = pod(
        "a", container("waiting"), phase="Failed", initContainerStatuses=[ended("Traceback\nOOM", 137, "bucket")]
    )
    assert why({JOB: job("Failed"), PODS: [failed]}, SETUP).endswith("failed at bucket: Traceback | OOM")


def test_a_failed_job_without_pods_is_reported_with_the_last_warnings() -> None:
    warnings = [event("Job/mlflow-setup", "Job has reached the specified backoff limit", "2026-11-21T12:00:01Z")]
    message = why({JOB: job("Failed"), PODS: [], EVENTS: warnings}, SETUP)
    assert "its pods are gone. Last warnings: Job/mlflow-setup: Job has reached" in message


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
def test_an_image_that_cannot_be_pulled_ends_the_waiting_and_is_named(reason: str, clock: Clock) -> None:
    stuck = pod("mlflow-1", container("waiting", reason=reason, message="manifest unknown"), phase="Pending")
    message = why({DEPLOYMENT: deployment(2, 0), PODS: [stuck]})
    assert message == f"Pod team-a/mlflow-1: {reason} (image mlops-mlflow:3.17.2): manifest unknown"
    assert clock.now == 0


def test_a_first_failed_pull_is_given_another_try() -> None:
    trying = pod("mlflow-1", container("waiting", reason="ErrImagePull", message="timeout"), phase="Pending")
    waited({DEPLOYMENT: States(deployment(2, 0), deployment()), PODS: [trying]})


def test_a_missing_secret_ends_the_waiting_and_is_named() -> None:
    stuck = pod(
        "a", container("waiting", reason="CreateContainerConfigError", message='secret "mlflow-auth" not found')
    )
    message = why({DEPLOYMENT: deployment(2, 0), PODS: [stuck]})
    assert message == 'Pod team-a/a: CreateContainerConfigError: secret "mlflow-auth" not found'


def test_a_server_that_keeps_crashing_is_reported_by_the_message_of_mlflow_ops() -> None:
    looping = pod("mlflow-1", crashed("starting\n" + ops_line(failed=True, msg="The schema is newer.")))
    message = why({DEPLOYMENT: deployment(2, 0), PODS: [looping]})
    assert message == "Pod team-a/mlflow-1: container mlflow crashed 3 times: The schema is newer."


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("1\n2\n3\n4\n5\n6\nKilled\n", "3 | 4 | 5 | 6 | Killed"),
        ("", "Error (exit status 1)"),
        ('mlflow-ops: {"failed": true, "msg": "cut o', "cut o"),
        ('mlflow-ops: {"failed": true}', '{"failed": true}'),
    ],
)
def test_a_crash_without_a_result_is_reported_by_the_end_of_its_log(message: str, words: str) -> None:
    assert why({DEPLOYMENT: deployment(2, 0), PODS: [pod("a", crashed(message))]}).endswith(words)


def test_two_crashes_may_pass_and_are_told_only_when_the_time_is_over() -> None:
    message = why({DEPLOYMENT: deployment(2, 1), PODS: [pod("a", crashed("Killed", restarts=2))]})
    assert "Not ready after 5 s: Deployment/mlflow: 1 of 2 ready." in message
    assert "pod a: container mlflow crashed 2 times: Killed" in message


def test_what_an_earlier_roll_out_left_does_not_count() -> None:
    leaving = pod("old", crashed("Killed"))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    failed = pod("setup-old", crashed("Killed"), phase="Failed")
    waited({DEPLOYMENT: States(deployment(2, 1), deployment()), PODS: [leaving, failed]})


def stuck(name: str) -> Object:
    return pod(name, container("waiting", reason="ImagePullBackOff", message="manifest unknown"), phase="Pending")


@pytest.mark.parametrize(
    "left",
    [
        of("uid-of-revision-2", stuck("old")),
        of("uid-of-the-gateway", stuck("gateway")),
        of("uid-of-the-old-job", stuck("setup-old")),
        of("uid-of-the-set", stuck("database"), **{"controller-revision-hash": "database-old"}),
    ],
    ids=["of the roll-out before", "of another component", "of a Job that was replaced", "of the database before"],
)
def test_only_pods_of_what_is_rolled_out_now_end_the_waiting(left: Object) -> None:
    database = {"kind": "StatefulSet", "name": "mlflow-database"}
    waited(
        {
            DEPLOYMENT: States(deployment(2, 1), deployment()),
            STATEFUL_SET: States(stateful_set(0), stateful_set(1)),
            JOB: States(job(), job("Complete")),
            PODS: [left],
        },
        SERVER,
        database,
        SETUP,
    )


@pytest.mark.parametrize(
    "own",
    [
        stuck("new"),
        of("uid-of-the-job", stuck("setup")),
        of("uid-of-the-set", stuck("database"), **{"controller-revision-hash": "database-new"}),
    ],
    ids=["a server", "a Job's", "the database's"],
)
def test_a_pod_of_what_is_rolled_out_now_ends_the_waiting(own: Object) -> None:
    answers = {DEPLOYMENT: deployment(2, 1), STATEFUL_SET: stateful_set(), JOB: job(), PODS: [own]}
    message = why(answers, SERVER, {"kind": "StatefulSet", "name": "mlflow-database"}, SETUP)
    assert message.startswith(f"Pod team-a/{own['metadata']['name']}: ImagePullBackOff")


def test_pods_are_not_judged_before_the_change_was_seen() -> None:
    """Until then the roll-out before counts as the present one."""
    unseen = deployment(2, 1, observedGeneration=2)
    waited({DEPLOYMENT: States(unseen, deployment()), PODS: [stuck("mlflow-1")]})


def test_at_most_three_pods_are_named() -> None:
    message = why({DEPLOYMENT: deployment(5, 0), PODS: [pod(f"a{n}", crashed("Killed")) for n in range(5)]})
    assert re.findall(r"Pod team-a/(a\d)", message) == ["a0", "a1", "a2"]


def test_a_quota_that_refuses_pods_is_named_from_the_condition() -> None:
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "message": 'pods "mlflow-1" is forbidden: exceeded quota: team, requested: pods=1, limited: pods=4',
    }
    message = why({DEPLOYMENT: deployment(2, 1, conditions=[refused]), PODS: []})
    assert "Deployment/mlflow: pods are refused:" in message
    assert "exceeded quota: team, requested: pods=1" in message


def test_a_refusal_that_is_over_is_not_told() -> None:
    over = {"type": "ReplicaFailure", "status": "False", "message": "exceeded quota"}
    assert "quota" not in why({DEPLOYMENT: deployment(2, 1, conditions=[over]), PODS: []})


def test_a_pod_that_no_node_takes_is_reported_with_the_schedulers_words() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: Insufficient cpu."}
    message = why({DEPLOYMENT: deployment(2, 1), PODS: [pod("a", phase="Pending", conditions=[condition])]})
    assert "pod a: no node takes it: 0/3 nodes are available: Insufficient cpu." in message


def test_a_server_that_runs_but_is_not_ready_is_named() -> None:
    message = why(
        {DEPLOYMENT: deployment(2, 1), PODS: [pod("a", container("running")), pod("b", container("running", True))]}
    )
    assert "pod a: container mlflow runs, but is not ready" in message
    assert "pod b" not in message


def event(about: str, message: str, at: str) -> Object:
    kind, _slash, name = about.partition("/")
    return {"involvedObject": {"kind": kind, "name": name}, "message": message, "lastTimestamp": at}


def test_the_time_out_ends_with_the_last_three_warnings() -> None:
    events = [event("Pod/mlflow-1", f"warning {n}", f"2026-11-21T12:00:0{n}Z") for n in (4, 1, 3, 2)]
    api = Api({DEPLOYMENT: deployment(2, 1), PODS: [], EVENTS: events})
    with pytest.raises(ClusterError) as failed:
        rollout.wait(Cluster(api), "team-a", "mlflow", [SERVER], 1)
    told = [f"Pod/mlflow-1: warning {n}" for n in (2, 3, 4)]
    assert str(failed.value).endswith(f"Last warnings: {' | '.join(told)}")
    assert api.queries[EVENTS] == {"fieldSelector": "type=Warning"}


@pytest.mark.parametrize("final", [True, False])
def test_a_ready_pod_has_no_problem(final: bool) -> None:
    assert pods.problem_of(pod("a", container("running", True)), final) is None


def test_only_what_waiting_will_not_mend_is_final() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "no"}
    for passing in (pod("a", container("running")), pod("a", conditions=[unscheduled]), pod("a", crashed("x", 2))):
        assert pods.problem_of(passing)
        assert pods.problem_of(passing, final=True) is None


@pytest.mark.parametrize("said", ["[1]", "null", '"text"', "[" * 100_000, "{", ""])
def test_last_words_of_a_container_that_are_no_result_are_told_as_they_are(said: str) -> None:
    """Whoever runs in a pod writes them."""
    assert pods.last_words({"message": f"mlflow-ops: {said}"}) == f"mlflow-ops: {said}".strip()


class Endless:
    """A command in a pod that never stops to talk."""

    def write_stdin(self, _line: str) -> None: ...
    def update(self, timeout: int) -> None: ...
    def close(self) -> None: ...
    def is_open(self) -> bool:
        return True

    def read_stdout(self, timeout: int) -> str:
        return "x" * (1 << 20)

    def read_stderr(self, timeout: int) -> str:
        return ""


def test_a_command_that_talks_without_end_is_not_listened_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "_exec", lambda *_asked, **_more: Endless())
    monkeypatch.setattr(client, "_LONGEST_ANSWER", 3 << 20)
    with pytest.raises(ClusterError, match="mlflow-ops in pod a/b says without end what is no result"):
        Cluster(Api()).converse("a", "b", "c", ["mlflow-ops", "run"], "{}", 3600.0, print)
