"""What keeps the exporter of a host running: a unit of systemd, or a program of the server's supervisor."""

from __future__ import annotations

import configparser
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine import monitoring_settings
from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

ROLE = REPOSITORY / "roles/mlflow_monitoring"
ENV = {"SSL_CERT_FILE": "/etc/ssl/our own 100 %.pem"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("units")
    runner = {"type": "host", "directory": "/srv/mlflow/server", "options": {"url": "http://127.0.0.1:5000"}}
    server = {"version": "3.17.2", "runner": runner, "workload": {"python": "/srv/mlflow/python"}}
    variables: dict[str, Any] = {
        "mlflow_monitoring_name": "mlflow",
        "mlflow_monitoring_dir": "/srv/mlflow/monitoring",
        "mlflow_monitoring_user": "mlflow",
        "mlflow_monitoring_database": {"uri": "sqlite:////srv/mlflow/database/mlflow.db"},
        "mlflow_monitoring_server": server,
    }
    options = {"name": "mlflow", "host": "127.0.0.1", "port": 9500, "interval": 60, "drill_days": 0, "env": ENV}
    told = monitoring_settings.compute(options, variables["mlflow_monitoring_database"], {}, server, {}, "host")
    variables["_mlflow_monitoring_told"] = told.as_dict()
    tasks = [
        {
            "name": f"Write {name}",
            "ansible.builtin.template": {
                "src": str(ROLE / "templates" / name),
                "dest": str(folder / name.removesuffix(".j2")),
                "mode": "0644",
            },
        }
        for name in ("exporter.service.j2", "exporter.conf.j2")
    ]
    known = {
        "name": "Say by what it is known",
        "ansible.builtin.copy": {
            "content": "{{ _mlflow_monitoring_units | to_json }}",
            "dest": str(folder / "known"),
            "mode": "0644",
        },
    }
    files = [str(ROLE / "vars/main" / name) for name in ("monitoring.yml", "host.yml")]
    variables["role_path"] = str(ROLE)
    play = {"hosts": "all", "gather_facts": False, "vars_files": files, "tasks": [known, *tasks]}
    (folder / "play.yml").write_text(json.dumps([play]))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"here": host}}}))
    run_playbook(folder / "play.yml", folder / "hosts.json", variables, program=WITHOUT_FORKS).succeeded()
    return folder


def test_the_unit_holds_that_by_which_it_is_known(written: Path) -> None:
    [(name, mark)] = json.loads((written / "known").read_text()).items()
    assert name == "mlflow-monitoring.service"
    assert mark in (written / "exporter.service").read_text()


def test_the_unit_has_the_rights_of_its_user_and_writes_beside_the_database_alone(written: Path) -> None:
    lines = (written / "exporter.service").read_text().splitlines()
    for line in (
        "User=mlflow",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "Restart=always",
        'Environment="SSL_CERT_FILE=/etc/ssl/our own 100 %%.pem"',
        'ReadWritePaths="/srv/mlflow/database"',
    ):
        assert line in lines
    [start] = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith(
        '"/srv/mlflow/monitoring/mlflow-ops" export --settings "/srv/mlflow/monitoring/monitoring.json"'
    )


def test_supervisor_reads_the_same(written: Path) -> None:
    found = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    found.read(written / "exporter.conf")
    program = found["program:mlflow-monitoring"]
    assert program["user"] == "mlflow" and program["autorestart"] == "true"
    assert 'SSL_CERT_FILE="/etc/ssl/our own 100 %%.pem"' in program["environment"].split(",")
    assert program["command"].endswith('export --settings "/srv/mlflow/monitoring/monitoring.json"')


def test_the_server_s_supervisor_takes_it_in() -> None:
    text = (REPOSITORY / "roles/mlflow_server/templates/supervisord.conf.j2").read_text()
    assert "[include]\nfiles = {{ mlflow_server_dir }}/supervisor.d/*.conf" in text
    names = (ROLE / "vars/main/host.yml").read_text()
    assert "{{ _mlflow_monitoring_server_dir }}/supervisor.d/{{ _mlflow_monitoring_object }}.conf" in names
