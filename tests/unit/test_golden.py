"""What a server is started with and what the roles render, held against files: a change of it is seen in the diff.

`pytest tests/unit/test_golden.py --update-golden` writes the files anew. Read the diff before committing it.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.documentation import documented
from support.playbooks import REPOSITORY
from support.rendered import compose as rendered_compose
from support.rendered import launch as rendered_launch
from support.rendered.compose import Rendered
from support.rendered.manifests import CASES, Deployment

GOLDEN = Path(__file__).parent / "golden"
MODULES = sorted((REPOSITORY / "plugins" / "modules").glob("*.py"))
# What is derived from other text, or is of this machine. (What is found, what is written instead)
DERIVED = (
    (re.compile(re.escape(sys.executable)), "PYTHON"),
    (re.compile(re.escape(str(Path.home())) + "(?=/)"), "HOME"),
    (re.compile(re.escape(str(REPOSITORY)) + "(?=/)"), "REPOSITORY"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    (re.compile(r"(mlops\.mlflow/checksum: )\S+"), r"\1SHA256"),
    (re.compile(r"(-setup-)[0-9a-f]{8}\b"), r"\1SHA256"),
    (re.compile(r"(starter-)[0-9a-f]{10}\b"), r"\1SHA256"),
)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as it is, so that a diff shows the line; nothing refers to another place."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    lines = "\n".join(line.rstrip() for line in text.replace("\t", "    ").split("\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", lines, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    text = yaml.dump(value, Dumper=_Dumper, width=1000, sort_keys=True)
    for found, instead in DERIVED:
        text = found.sub(instead, text)
    return text


def parsed(files: Mapping[str, str]) -> dict[str, Any]:
    """Files by name; of JSON and YAML what they say, whatever their layout."""
    return {
        name: yaml.safe_load(text) if name.endswith((".json", ".yaml")) else text
        for name, text in files.items()
        if text
    }


@pytest.fixture
def hold(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Hold a value against golden/NAME.yaml."""

    def compare(name: str, value: Any) -> None:
        file, text = GOLDEN / f"{name}.yaml", as_yaml(value)
        if request.config.getoption("update_golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        known = file.read_text() if file.exists() else ""
        diff = list(difflib.unified_diff(known.splitlines(), text.splitlines(), "golden", "now", lineterm="", n=2))
        assert not diff, f"{file.name} changed; if it is meant: pytest {__file__} --update-golden\n" + "\n".join(diff)

    return compare


@pytest.mark.parametrize("platform", rendered_launch.PLATFORMS)
def test_what_a_server_is_started_with(
    platform: str, launches: dict[str, Any], hold: Callable[[str, Any], None]
) -> None:
    files = {case: parsed(files) for case, files in launches[platform].items()}
    hold(f"launch/{platform}", files)


@pytest.mark.parametrize("case", CASES)
def test_manifests(case: str, deployments: dict[str, Deployment], hold: Callable[[str, Any], None]) -> None:
    # Other tests look at the same objects.
    objects = {
        # In a file a Job has a name that changes with it.
        re.sub(r"^(Job/.+)-[0-9a-f]{8}$", r"\1", f"{item['kind']}/{item['metadata']['name']}"): deepcopy(item)
        for item in deployments[case].objects
    }
    for item in objects.values():
        if "launch.json" in item.get("data", {}):
            item["data"]["launch.json"] = json.loads(item["data"]["launch.json"])
    hold(f"kubernetes/{case}", objects)


def test_manifests_of_the_exporter_of_a_fleet(fleet_monitoring: Deployment, hold: Callable[[str, Any], None]) -> None:
    objects = {f"{item['kind']}/{item['metadata']['name']}": item for item in fleet_monitoring.objects}
    hold("kubernetes/fleet-monitoring", objects)


@pytest.mark.parametrize("case", rendered_compose.CASES)
def test_compose_files(case: str, rendered: dict[str, Rendered], hold: Callable[[str, Any], None]) -> None:
    hold(f"compose/{case}", parsed(rendered[case].files))


def test_keys_that_modules_return(hold: Callable[[str, Any], None]) -> None:
    hold("return_keys", {module.stem: _keys(documented(module)) for module in MODULES})


def _keys(documented: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _keys(value["contains"]) if "contains" in value else value["type"] for name, value in documented.items()
    }
