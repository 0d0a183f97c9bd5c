# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules as Prometheus reads them: the content of a rules file, and the C(spec) of a PrometheusRule."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from string import Template
from typing import Any

from ..errors import BadInput
from . import rules, thresholds
from .rule import Alert, Record

RUNBOOK = "https://github.com/mlops-mlflow/mlops.mlflow/blob/main/docs/runbook.md"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# What is written into an expression, between quotes.
_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")


def rules_file(
    given: Mapping[str, Any],
    scope: Mapping[str, str] | None = None,
    runbook: str = RUNBOOK,
    wanted: Collection[str] = (),
) -> dict[str, Any]:
    """
    :param given: thresholds that differ from their defaults.
    :param scope: labels of one deployment: C(deployment), and C(namespace), empty on hosts. None: the rules are for
        all that a Prometheus scrapes. Two sets of rules for one deployment would record the same series twice.
    :param runbook: address of the page that has a section for each alert.
    :param wanted: names of groups, for a scope of which others have no series; empty for all.
    :returns: C(groups).
    :raises BadInput: a threshold or a label cannot be used, or there is no such group.
    """
    labels = _checked(scope or {})
    numbers = thresholds.checked(given)
    values = {
        **{name: f"{value:.10g}" for name, value in numbers.items()},
        "down": f"{round(numbers['down_minutes'] * 60)}s",
        "first_backup": f"{round(numbers['first_backup_hours'] * 3600)}s",
        "first_drill": f"{round(numbers['first_drill_days'] * 86400)}s",
        "scope": ",".join(f'{name}="{value}"' for name, value in labels.items()),
        "namespace": labels.get("namespace", ""),
    }
    groups = dict(rules.GROUPS)
    if "namespace" in labels:
        groups["kubernetes"] = rules.KUBERNETES
    if unknown := sorted({*wanted} - {*groups}):
        raise BadInput(f"There is no group {unknown[0]} of rules; these are: {', '.join(groups)}.")
    suffix = "".join(f"-{value}" for value in labels.values())
    return {
        "groups": [
            {"name": f"mlflow-{name}{suffix}", "rules": _rendered(members, values, _own(name, labels), runbook)}
            for name, members in groups.items()
            if not wanted or name in wanted
        ]
    }


def _own(group: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    """What the series of a group lack, so that a route by deployment gets their alerts as well."""
    return {name: value for name, value in labels.items() if name == "deployment"} if group == "kubernetes" else {}


def _rendered(
    members: Sequence[Alert | Record], values: Mapping[str, str], own: Mapping[str, str], runbook: str
) -> list[dict[str, Any]]:
    def filled(text: str) -> str:
        return Template(text).safe_substitute(values)

    found: list[dict[str, Any]] = []
    for one in members:
        if isinstance(one, Record):
            found.append({"record": one.name, "expr": filled(one.expression)})
            continue
        alert = {"alert": one.name, "expr": filled(one.expression)}
        wait = {} if one.wait == "0m" else {"for": filled(one.wait)}
        labels = {"severity": one.severity, **one.labels, **own}
        notes = {"summary": filled(one.summary), "runbook_url": f"{runbook}#{one.name.lower()}"}
        found.append({**alert, **wait, "labels": labels, "annotations": notes})
    return found


def _checked(scope: Mapping[str, str]) -> dict[str, str]:
    # Hosts have none.
    labels = {str(name): str(value) for name, value in scope.items() if value or name != "namespace"}
    for name, value in labels.items():
        if not _LABEL.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadInput(
                f"The label {name} with the value '{value}' selects no deployment: use letters, digits and -."
            )
    return labels
