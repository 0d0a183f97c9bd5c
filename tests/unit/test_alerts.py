"""The alerts as data: what a user sets, what Prometheus is given. tests/integration/test_alert_rules.py fires them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.thresholds import THRESHOLDS
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_play

ONE = {"deployment": "mlflow", "namespace": "team-a"}


def members(**given: Any) -> list[dict[str, Any]]:
    scope = given.pop("scope", ONE)
    return [rule for group in rules_file(given, scope)["groups"] for rule in group["rules"]]


def alert(name: str, **given: Any) -> dict[str, Any]:
    return next(rule for rule in members(**given) if rule.get("alert") == name)


def test_every_alert_has_a_severity_a_summary_and_a_link_and_nothing_is_left_to_fill_in() -> None:
    alerts = [rule for rule in members() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == 21
    for rule in alerts:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["runbook_url"].endswith("/docs/runbook.md#" + rule["alert"].lower())
        assert set(re.findall(r"\$\w+|\$\{\w+\}", json.dumps(rule))) <= {"$labels", "$value"}
        # Who is told must know of what deployment.
        assert "$labels.deployment" in rule["annotations"]["summary"] or rule["labels"]["deployment"] == "mlflow"


def test_rules_of_one_deployment_read_no_series_of_another() -> None:
    for rule in members():
        for selector in re.findall(r"(?:mlflow_\w+|up|kube\w*)\{([^}]*)\}", rule["expr"]):
            assert 'namespace="team-a"' in selector


def test_without_a_namespace_there_are_no_alerts_on_pods() -> None:
    names = {rule.get("alert") for rule in members(scope={"deployment": "laptop", "namespace": ""})}
    assert names & {"MlflowPodsRestarting", "MlflowVolumeNearlyFull"} == set()
    assert "MlflowDiskNearlyFull" in names


def test_an_alert_on_pods_carries_the_deployment_because_their_series_do_not() -> None:
    assert alert("MlflowPodsRestarting")["labels"] == {"severity": "warning", "deployment": "mlflow"}


def test_groups_of_two_deployments_have_names_of_their_own() -> None:
    one, two = (
        {group["name"] for group in rules_file({}, {"deployment": name})["groups"]} for name in ("mlflow", "other")
    )
    assert one & two == set() and len(one) > 5


def test_thresholds_may_come_as_strings_from_a_survey() -> None:
    found = alert("MlflowSlow", latency_seconds="5", requests_least="100")
    assert "> 5 and" in found["expr"] and ">= 100" in found["expr"]
    assert "(limit 5 s)" in found["annotations"]["summary"]
    assert alert("MlflowServerDown", down_minutes="0.5")["for"] == "30s"


def test_the_objective_is_one_number() -> None:
    burning = [rule for rule in members(availability_percent=99.9) if rule.get("alert") == "MlflowErrorBudgetBurns"]
    assert [rule["labels"]["window"] for rule in burning] == ["1h", "6h", "1d", "3d"]
    assert all("(1 - 99.9 / 100)" in rule["expr"] for rule in burning)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"latency": 3}, "has latency, which is no threshold; these are: down_minutes, latency_seconds"),
        ({"latency_seconds": "fast"}, "latency_seconds"),
        ({"latency_seconds": 10}, "is 10; it must be from 0.005 to 9.9"),
        ({"errors_percent": -1}, "must be from 0 to 100"),
        ({"availability_percent": 100}, "must be from 50 to 99.999"),
    ],
)
def test_a_threshold_that_cannot_be_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)) as raised:
        rules_file(given)
    assert "mlflow_monitoring_thresholds" in str(raised.value)


def test_only_those_groups_are_given_that_were_asked_for() -> None:
    groups = [group["name"] for group in rules_file({}, ONE, wanted=["kubernetes", "fleet"])["groups"]]
    assert groups == ["mlflow-fleet-mlflow-team-a", "mlflow-kubernetes-mlflow-team-a"]
    with pytest.raises(BadInput, match="no group fleets of rules; these are: server, database"):
        rules_file({}, ONE, wanted=["fleets"])


@pytest.mark.parametrize("value", ["", 'a"} or vector(1) #', "a\nb", "$scope", "{{ 1 }}"])
def test_a_label_that_would_leave_its_quotes_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="selects no deployment"):
        rules_file({}, {"deployment": value})


def test_the_filter_documents_every_threshold_with_its_default() -> None:
    text = (REPOSITORY / "plugins/filter/prometheus_rules.py").read_text()
    said = dict(re.findall(r"C\((\w+)\)\s+\(([\d.]+)\)", text))
    assert said == {name: f"{one.default:g}" for name, one in THRESHOLDS.items()}


def test_the_role_documents_every_threshold_with_what_it_means() -> None:
    specs = yaml.safe_load((REPOSITORY / "roles/mlflow_monitoring/meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]["mlflow_monitoring_thresholds"]["options"]
    assert {name: option["description"] for name, option in options.items()} == {
        name: f"{one.meaning} The default is {one.default:g}." for name, one in THRESHOLDS.items()
    }


def test_a_playbook_gets_the_rules_or_the_reason() -> None:
    tasks: list[dict[str, Any]] = [
        {"name": "say", "ansible.builtin.debug": {"msg": "{{ {} | mlops.mlflow.prometheus_rules }}"}}
    ]
    assert run_play(tasks, program=WITHOUT_FORKS).of("say")["msg"] == rules_file({})
    tasks[0]["ansible.builtin.debug"] = {"msg": "{{ {'restarts': 'x'} | mlops.mlflow.prometheus_rules }}"}
    assert "mlflow_monitoring_thresholds.restarts" in run_play(tasks, program=WITHOUT_FORKS).message
