"""Load tests: what is refused before they start, what Locust's counters become, and when a verdict is which."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import operations, outcome, run, verdict
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.plan import Target, Wanted
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.targets import Cleaned, clean_up
from support.load_results import entry, moment, raw

TARGET = Target("one", Server("http://127.0.0.1:5000"), allowed=True)
ELSEWHERE = Target("far", Server("http://mlflow.example.com:5000"), allowed=True)
FOUND = {"targets": [{"name": "one", "url": "http://127.0.0.1:5000", "version": "3.17.2"}], "without": ""}


def judge(
    slos: dict[str, Any] | None, *entries: dict[str, Any], target: Target = TARGET, **more: Any
) -> dict[str, Any]:
    cleaned = more.pop("cleaned", Cleaned())
    resources = more.pop("resources", [])
    return run.judged(Wanted([target], slos=slos), raw(*entries, **more), FOUND, cleaned, resources)


def test_objectives_that_hold_give_a_pass_with_the_numbers() -> None:
    result = judge(
        {"all": {"error_rate": 0.01, "per_second": 9}, "log_metric": {"p95_ms": 20}},
        entry("log_metric", {10: 99, 50: 1}),
    )
    assert result["verdict"]["passed"] is True
    assert result["verdict"]["text"] == "passed: 3 objectives held (100 requests in 10 s, 10.0/s, p95 10 ms, 0 failed)"
    assert [one["ok"] for one in result["verdict"]["slos"]] == [True, True, True]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"p50_ms": 9}, "log_metric: 10 ms seen, but p50 at most 9 ms was wanted"),
        ({"p95_ms": 99}, "log_metric: 100 ms seen, but p95 at most 99 ms was wanted"),
        ({"p99_ms": 99.5}, "log_metric: 100 ms seen, but p99 at most 99.5 ms was wanted"),
        ({"max_ms": 99}, "log_metric: 100 ms seen, but max at most 99 ms was wanted"),
        ({"error_rate": 0.04}, "log_metric: 5 % seen, but error rate at most 4 % was wanted"),
        ({"per_second": 10}, "log_metric: 9.5/s seen, but throughput at least 10/s was wanted"),
    ],
)
def test_each_broken_objective_is_named_with_what_was_seen(limits: dict[str, float], reason: str) -> None:
    found = judge({"log_metric": limits}, entry("log_metric", {10: 90, 100: 10}, failures=5))["verdict"]
    assert found["passed"] is False and found["reasons"] == [reason]
    assert found["text"].startswith(f"failed: {reason} (100 requests in 10 s")


def test_an_objective_exactly_met_holds() -> None:
    limits = {"p95_ms": 100, "error_rate": 0.05, "per_second": 9.5}
    assert judge({"log_metric": limits}, entry("log_metric", {10: 90, 100: 10}, failures=5))["verdict"]["passed"]


def test_the_transfer_rate_is_what_one_client_moves_while_it_waits() -> None:
    # Ten times 32 MiB in a second each.
    found = judge({"put_artifact_32m": {"mib_per_second": 33}}, entry("put_artifact_32m", {1000: 10}))
    assert found["operations"][0]["mib_per_second"] == 32
    assert found["verdict"]["reasons"] == [
        "put_artifact_32m: 32 MiB/s seen, but transfer rate at least 33 MiB/s was wanted"
    ]


def test_an_operation_without_a_request_cannot_hold_its_objective() -> None:
    found = judge({"log_batch_500": {"p95_ms": 9999}}, entry("log_metric", {10: 5}))["verdict"]
    assert found["passed"] is False and "nothing to judge" in found["reasons"][0]


def test_no_request_at_all_is_no_pass() -> None:
    found = judge({})["verdict"]
    assert found["passed"] is False and found["reasons"] == ["no request was made at all"]


def test_without_objectives_of_ones_own_one_percent_of_errors_is_the_limit() -> None:
    assert judge(None, entry("log_metric", {10: 100}, failures=1))["verdict"]["passed"] is True
    assert judge(None, entry("log_metric", {10: 100}, failures=2))["verdict"]["passed"] is False


def test_what_could_not_be_cleaned_up_and_errors_of_the_scenario_are_no_pass() -> None:
    left = judge({}, entry("log_metric", {10: 5}), cleaned=Cleaned(left=["experiment x: 500"]))["verdict"]
    assert left["reasons"] == ["what was made could not be removed: experiment x: 500"]
    broken = judge({}, entry("log_metric", {10: 5}), exceptions=[{"count": 3, "message": "KeyError: 'run'"}])["verdict"]
    assert broken["reasons"] == ["the scenario itself failed, 3 times: KeyError: 'run'"]


@pytest.mark.parametrize(
    ("slos", "words"),
    [
        ({"fly": {"p95_ms": 1}}, ["'fly'", "does not exist", "log_batch_100"]),
        ({"log_metric": {"p75_ms": 1}}, ["'p75_ms'", "offered are p50_ms"]),
        ({"log_metric": {"p95_ms": "fast"}}, ["p95_ms is 'fast'", "number"]),
        ({"log_metric": {"p95_ms": -1}}, ["p95_ms is '-1'"]),
        ({"log_metric": {"p95_ms": "nan"}}, ["p95_ms is 'nan'"]),
        ({"log_metric": {"error_rate": 5}}, ["error_rate is 5", "1 % is 0.01"]),
        ({"log_metric": 250}, ["must be a dict of limits"]),
        ({"log_metric": {"mib_per_second": 1}}, ["carry an artifact", "put_artifact_32m"]),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused_with_what_is_offered(slos: Any, words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        Wanted([TARGET], slos=slos)
    assert all(word in str(caught.value) for word in words)


def test_an_objective_for_an_operation_that_nobody_sends_is_refused() -> None:
    with pytest.raises(BadInput, match="log_batch_10, which no task of this run sends"):
        Wanted([TARGET], workload="reference", slos={"log_batch_10": {"p95_ms": 1}})
    with pytest.raises(BadInput, match="put_artifact_32m, which no task of this run sends"):
        Wanted([TARGET], weights={"artifact_32m": 0}, slos={"put_artifact_32m": {"p95_ms": 1}})
    # And so it is where the servers do not let artifacts pass.
    with pytest.raises(BadInput, match="put_artifact_4k, which no task"):
        Wanted([TARGET], slos={"put_artifact_4k": {"p95_ms": 1}}).objectives(operations.ARTIFACTS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"users": 0}, "users is 0"),
        ({"seconds": 0.5}, "run_time is 0.5"),
        ({"processes": 20}, "each process needs a user"),
        ({"wait": (5.0, 1.0)}, "from 5 s to 1 s"),
        ({"workload": "heavy"}, "offered are mixed, reference"),
        ({"weights": {"log_everything": 1}}, "the task 'log_everything', which does not exist"),
        ({"weights": {"create_run": "often"}}, "'often'; it must be a number"),
        (
            {"workload": "reference", "weights": dict.fromkeys(operations.WORKLOADS["reference"], 0)},
            "Every weight is 0",
        ),
        ({"targets": []}, "There is no target"),
        ({"targets": [TARGET, TARGET]}, "different names; given more than once: one"),
    ],
)
def test_wishes_that_cannot_work_are_refused_before_anything_starts(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Wanted(**{"targets": [TARGET], **settings})


def test_a_server_that_nobody_allowed_to_be_loaded_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"not allowed on two: .*mlflow_load_test_allowed: true"):
        Wanted([TARGET, Target("two", Server("http://127.0.0.1:5001"))])


def test_counters_of_several_targets_are_told_apart_and_added_up() -> None:
    two = Target("two", Server("http://127.0.0.1:5001"), allowed=True)
    counted = raw(
        entry("one / log_metric", {10: 9, 30: 1}),
        entry("two / log_metric", {20: 10}, failures=2),
        failures=[{"name": "two / log_metric", "error": "CatchResponseError('500 INTERNAL')", "occurrences": 2}],
    )
    result = run.judged(Wanted([TARGET, two]), counted, FOUND, Cleaned(), [])
    (operation,) = result["operations"]
    assert (operation["name"], operation["requests"], operation["failures"]) == ("log_metric", 20, 2)
    assert (operation["p50_ms"], operation["p95_ms"], operation["max_ms"]) == (20, 20, 30)
    assert [(one["name"], one["requests"]) for one in result["counted_targets"]] == [("one", 10), ("two", 10)]
    assert result["failures"] == [{"operation": "log_metric", "error": "two: 500 INTERNAL", "count": 2}]


def test_percentiles_are_those_of_all_answers() -> None:
    counted = outcome.Counted()
    counted.add(entry("x", {1: 50, 2: 45, 3: 4, 400: 1}))
    assert [counted.percentile(share) for share in (0.5, 0.95, 0.99, 1.0)] == [1, 2, 3, 400]
    assert outcome.Counted().percentile(0.5) is None


def test_a_busy_or_late_client_is_named_and_a_quiet_one_is_not() -> None:
    def reasons(**busy: float) -> list[str]:
        series = [moment(second + 1.0, 10 * second, **(busy if second % 2 else {})) for second in range(10)]
        found = judge({}, entry("log_metric", {10: 5}), target=ELSEWHERE, series=series)
        assert found["client"]["bottleneck"] is bool(found["client"]["reasons"])
        assert ("client or its machine was the bottleneck" in found["verdict"]["text"]) is found["client"]["bottleneck"]
        assert found["verdict"]["passed"] is True  # it says something about the numbers, and nothing against the server
        return list(found["client"]["reasons"])

    assert reasons() == []
    assert "used its whole core for" in reasons(client_cpu=0.97)[0]
    assert "timers were more than 100 ms late" in reasons(client_lag=0.4)[0]
    assert "all cores of its machine were busy" in reasons(machine_cpu=1.0)[0]


def test_a_single_busy_second_is_no_bottleneck() -> None:
    series = [moment(second + 1.0, second, client_cpu=1.0 if second == 5 else 0.3) for second in range(10)]
    assert verdict.bottleneck(outcome.read(raw(series=series))["series"])["bottleneck"] is False


def test_on_a_shared_machine_only_other_programs_are_to_blame_for_full_cores() -> None:
    series = [moment(second + 1.0, second, machine_cpu=1.0, client_cpu=0.3) for second in range(10)]

    def reasons(cpu_seconds: float) -> list[str]:
        watched = {"name": "one", "measured": True, "cpu_seconds": cpu_seconds}
        return list(judge({}, entry("log_metric", {10: 5}), series=series, resources=[watched])["client"]["reasons"])

    assert reasons(cpu_seconds=35.0) == []  # 3.8 of 4 cores are the server's and Locust's own
    assert "other programs kept the machine busy: client and servers used 0.5 of its 4 cores" in reasons(2.0)[0]


def test_rates_over_time_come_from_counters() -> None:
    series = outcome.read(raw(series=[moment(1.0, 10), moment(2.0, 40, failures=5)]))["series"]
    assert [(one["at"], one["per_second"], one["failures_per_second"]) for one in series] == [(1, 10, 0), (2, 25, 5)]


@pytest.mark.parametrize("run_name", ["", "production", "mlops-load-", "mlops-load-%", "mlops-load-x'; --"])
def test_cleaning_up_never_touches_what_no_load_test_made(run_name: str) -> None:
    with pytest.raises(BadInput, match="is no name of a load test"):
        clean_up(Server("http://127.0.0.1:9"), run_name)


def test_secrets_are_in_neither_the_plan_nor_the_arguments() -> None:
    target = Target("one", Server("http://127.0.0.1:5000", username="admin", password="s3cr3t-password"), allowed=True)
    wanted = Wanted([target], processes=2)
    assert "s3cr3t" not in str([wanted.plan("/tmp/x"), wanted.arguments("/s.py", "/tmp/x"), wanted.describe(), wanted])
    assert wanted.plan("/tmp/x")["targets"][0]["password_env"] == "MLOPS_LOAD_SECRET_0"
    assert target.secret(0) == ("MLOPS_LOAD_SECRET_0", "s3cr3t-password")
