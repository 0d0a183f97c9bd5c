"""The runbook has for each alert what one sees, what it means, and what to type; and what it says to type is there."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from support.playbooks import REPOSITORY
from support.runbook import PAGE, commands, sections

ALERTS = REPOSITORY / "docs" / "alerts.md"
NAMES = sorted(
    {
        rule["alert"]
        for group in rules_file({}, {"deployment": "a", "namespace": "b"})["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
)


def variables() -> set[str]:
    """What an inventory or -e may set: options of roles, and what a playbook reads."""
    found = set()
    for file in REPOSITORY.glob("roles/*/meta/argument_specs.yml"):
        for point in yaml.safe_load(file.read_text())["argument_specs"].values():
            found |= set(point["options"])
    for file in REPOSITORY.glob("playbooks/**/*.yml"):
        found |= set(re.findall(r"\bmlflow_\w+", file.read_text()))
    return found


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert sorted(sections()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_section_says_what_one_sees_what_it_means_and_what_to_type(name: str) -> None:
    text = sections()[name]
    assert re.search(r"^See: .+ Means( and command)?: ", text, re.DOTALL)
    assert commands(text)


@pytest.mark.parametrize("command", sorted(set(commands(PAGE.read_text()))))
def test_a_command_names_a_playbook_an_inventory_and_variables_that_are_there(command: str) -> None:
    words = command.split()
    assert words[0] == "ansible-playbook" and words[1] == "-i"
    assert (REPOSITORY / words[2]).is_dir() and (REPOSITORY / words[3]).is_file()
    rest = words[4:]
    options = [word for word in rest if word not in ("-e", "--check")]
    assert {option.partition("=")[0] for option in options} <= variables()


def test_every_variable_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(mlflow_\w+)`", PAGE.read_text()))
    assert len(named) > 5
    assert named <= variables()


def test_what_would_change_data_is_typed_only_with_its_own_word() -> None:
    """No command of a section restores, removes or upgrades as it stands: the person decides."""
    for text in sections().values():
        assert not [line for line in commands(text) if re.search(r"=true|destroy|restore", line)]


def test_the_page_of_the_alerts_lists_each_of_them_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(runbook\.md#(\w+)\) \| .+ \| (\w+) \|$", ALERTS.read_text(), re.MULTILINE)
    severities: dict[str, set[str]] = {}
    for group in rules_file({}, {"deployment": "a", "namespace": "b"})["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    said = {name: {"critical", "warning"} if severity == "both" else {severity} for name, _link, severity in rows}
    assert said == severities and all(link == name.lower() for name, link, _severity in rows)
