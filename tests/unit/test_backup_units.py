"""The units of a backup are known again by what its deployment wrote into them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

ROLE = REPOSITORY / "roles/mlflow_backup"


def test_each_unit_holds_that_by_which_it_is_known(tmp_path: Path) -> None:
    """As Ansible reads the variables: it keeps a backslash that Jinja alone would take for the end of a line."""
    template = {
        "name": "Write the timer",
        "ansible.builtin.template": {
            "src": str(ROLE / "templates/backup.timer.j2"),
            "dest": str(tmp_path / "written"),
            "mode": "0644",
        },
    }
    known = {
        "name": "Say by what it is known",
        "ansible.builtin.copy": {
            "content": "{{ _mlflow_backup_units | to_json }}",
            "dest": str(tmp_path / "known"),
            "mode": "0644",
        },
    }
    variables = {
        "mlflow_backup_name": "mlflow",
        "mlflow_backup_dir": "/srv/mlflow/operations",
        "_mlflow_backup_told": {"calendar": "*-*-* 02:00:00"},
    }
    files = [str(ROLE / "vars/main/backup.yml")]
    play = {"hosts": "all", "gather_facts": False, "vars_files": files, "tasks": [known, template]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"here": host}}}))
    run_playbook(tmp_path / "play.yml", tmp_path / "hosts.json", variables, program=WITHOUT_FORKS).succeeded()
    marks = json.loads((tmp_path / "known").read_text())
    assert marks["mlflow-backup.timer"] in (tmp_path / "written").read_text()
    service = (ROLE / "templates/backup.service.j2").read_text()
    assert marks["mlflow-backup.service"].replace("/srv/mlflow/operations", "{{ mlflow_backup_dir }}") in service
