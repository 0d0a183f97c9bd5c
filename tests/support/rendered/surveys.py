"""What the roles render of numbers and booleans, and of the strings that surveys of AWX make of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

ROLES = sorted(path for path in (REPOSITORY / "roles").iterdir() if path.is_dir())
TARGETS = ("kubernetes", "compose_single_az")
WAYS = ("typed", "strings")


def options_of(role: Path) -> dict[str, Any]:
    return yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def scalars_of(role: Path) -> dict[str, Any]:
    """Numbers and booleans of a role, each with the default that its spec gives."""
    options = options_of(role)
    typed = {name: option for name, option in options.items() if option["type"] in ("int", "float", "bool")}
    return {name: option["default"] for name, option in typed.items() if not isinstance(option.get("default", ""), str)}


def as_string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def render(folder: Path) -> None:
    """All numbers and booleans of all roles, both ways."""
    given = {name: value for role in ROLES for name, value in scalars_of(role).items()}
    assert len(given) > 40
    for target in TARGETS:
        shipped = yaml.safe_load((REPOSITORY / f"inventories/{target}/group_vars/mlflow.yml").read_text())
        typed = {
            **given,
            **shipped,
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "mlflow_backup_enabled": True,
            "mlflow_data_dir": "/srv/mlflow",
            "mlflow_server_memory_target": 80,
        }
        strings = {name: as_string(v) if isinstance(v, bool | int | float) else v for name, v in typed.items()}
        hosts = {
            way: {**variables, "mlflow_render_dir": str(folder / target / way)}
            for way, variables in zip(WAYS, (typed, strings), strict=True)
        }
        inventory = folder / f"{target}.json"
        inventory.write_text(json.dumps({"mlflow": {"hosts": hosts}}))
        run = run_playbook(REPOSITORY / f"playbooks/{target}.yml", inventory, program=WITHOUT_FORKS)
        assert run.code == 0, f"rendering failed: {run.message or run.output[-2000:]}"


def read(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Target, way, name of the file: its content."""
    return {
        target: {
            way: {
                str(file.relative_to(folder / target / way)): file.read_text()
                for file in (folder / target / way).rglob("*.*")
            }
            for way in WAYS
        }
        for target in TARGETS
    }
