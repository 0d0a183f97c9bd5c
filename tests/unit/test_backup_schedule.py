"""Whether something on a host can start backups at night: asked before anything is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.playbooks import LOCAL_HOST, WITHOUT_FORKS, run_playbook

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: mlops.mlflow.mlflow_backup
        tasks_from: preflight
"""
# By the name of a host: the scheduler, the programs that it has, and what it hears.
HOSTS = {
    "without-cron": ("cron", (), "there is no crontab and no flock. Install cron"),
    "without-flock": ("cron", ("crontab",), "there is no flock. Install cron"),
    "with-cron": ("cron", ("crontab", "flock"), ""),
    "without-schedule": ("none", (), ""),
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("schedule")
    hosts = {}
    for name, (scheduler, programs, _words) in HOSTS.items():
        (folder / name).mkdir()
        for program in programs:
            Path(folder, name, program).touch(0o755)
        told = {"mlflow_backup_scheduler": scheduler, "programs_of_the_host": [str(folder / name)]}
        hosts[name] = {**LOCAL_HOST, "mlflow_platform": "host", **told}
    (folder / "play.yml").write_text(PLAY)
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    found = {"_mlflow_backup_program_dirs": "{{ programs_of_the_host }}"}
    run = run_playbook(folder / "play.yml", folder / "hosts.json", found, program=WITHOUT_FORKS)
    said = [str(failure.get("msg")) for failure in run.failures]
    return {name: next((text for text in said if f"on {name} " in text), "") for name in HOSTS}


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_that_can_start_none_is_told_so_before_anything_is_deployed(messages: dict[str, str], name: str) -> None:
    words = HOSTS[name][2]
    assert words in messages[name] and bool(words) == bool(messages[name]), messages[name]
