"""Without the clone's configuration, as where the collection is installed: what is said is read line by line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.host.deployment import Deployment
from support.playbooks import ANSIBLE_PLAYBOOK, REPOSITORY

RUNS = {
    "status": {},
    "health": {},
    "backup": {},
    "drill": {},
    "gc": {},
    "upgrade": {},
    "destroy": {},
    "local": {},
    "load_test": {},
    # What fails is said with the end of the log, and what was done about it.
    "upgrade --check": {"mlflow_version": "3.16.0"},
    "destroy --check": {},
}


@pytest.mark.parametrize("run", RUNS)
def test_no_line_break_is_shown_as_two_characters(laptop: Deployment, run: str, tmp_path: Path) -> None:
    playbook, *options = run.split()
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(laptop.variables | RUNS[run] | {"mlflow_backup_dir": str(tmp_path / "backups")}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MLFLOW_"))}
    configuration = tmp_path / "ansible.cfg"
    configuration.touch()
    environment |= {"ANSIBLE_CONFIG": str(configuration), "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".dev")}
    command = [*ANSIBLE_PLAYBOOK, "-i", str(laptop.inventory), f"-e@{settings}", *options]
    done = subprocess.run(
        [*command, f"mlops.mlflow.{playbook}"],
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert "TASK [" in done.stdout, done.stderr
    shown = [line for line in done.stdout.splitlines() if "\\n" in line]
    assert not shown, "\n".join(shown)
