"""The end of a deploy: what whoever deployed must know, said without being asked."""

from __future__ import annotations

import re
from typing import Any

import jinja2
import pytest
from support.playbooks import REPOSITORY

TEMPLATE = REPOSITORY / "roles/mlflow_server/templates/summary.txt.j2"


def summary(**told: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined)  # noqa: S701
    environment.filters["bool"] = bool
    environment.filters["regex_replace"] = lambda text, pattern, by: re.sub(pattern, by, str(text))
    uri = "http://mlflow.example.com:5000"
    variables: dict[str, Any] = {
        "mlflow_server_connection": {"uri": uri, "secrets": {}},
        "_mlflow_server_summary": {"reach": "", "root": False, "changed": False, "log": "x"},
    }
    return environment.from_string(TEMPLATE.read_text()).render({**variables, **told})


def test_a_server_without_a_login_is_said_to_be_everybodys() -> None:
    assert re.search(r"^Login +none: whoever reaches the URL may change everything", summary(), re.MULTILINE)
    env = {"MLFLOW_TRACKING_USERNAME": "admin"}
    guarded = summary(mlflow_server_connection={"uri": "x", "secrets": {"MLFLOW_TRACKING_PASSWORD": {}}, "env": env})
    assert "Login" not in guarded and re.search(r"^User +admin$", guarded, re.MULTILINE)


@pytest.mark.parametrize("root", [True, False])
def test_a_server_of_roots_is_said_to_be_that(root: bool) -> None:
    found = summary(_mlflow_server_summary={"reach": "", "root": root, "changed": False})
    assert (re.search(r"^Runs as +root:", found, re.MULTILINE) is not None) is root


def test_no_option_of_the_databases_uri_is_shown() -> None:
    assert "keepalives" not in summary(
        mlflow_server_database={"uri": "postgresql://mlflow@db/mlflow?keepalives_idle=30"}
    )
