"""What the role hands to a server on each platform, for every profile with and without authentication, TLS, a prefix.

One host of one Ansible run for each platform: a case is an item of a loop, which costs no process of its own.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server.launch import PROFILES

from support.playbooks import REPOSITORY, WITHOUT_FORKS, run_playbook

VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "auth": {"mlflow_server_auth": "basic"},
    "tls": {
        "mlflow_server_tls_certificate": "/etc/ssl/mlflow.pem",
        "mlflow_server_tls_key": "/etc/ssl/mlflow.key",
        "mlflow_server_tls_secret": "mlflow-tls",
    },
    "prefix": {"mlflow_server_static_prefix": "/tracking"},
}
# Inventory of a platform, and what its servers get. Everything is text or JSON, with the variables of the case.
PLATFORMS: dict[str, tuple[str, dict[str, str]]] = {
    "host": (
        "local",
        {
            "launch.json": "{{ _mlflow_server_launch_text }}",
            "auth.ini": "{{ lookup('ansible.builtin.template', 'auth.ini.j2') if item.auth else '' }}",
            "supervisord.conf": "{{ lookup('ansible.builtin.template', 'supervisord.conf.j2') }}",
            "mlflow.service": "{{ lookup('ansible.builtin.template', 'mlflow.service.j2') }}",
        },
    ),
    "compose": ("compose_single_az", {"launch.json": "{{ _mlflow_server_plan.launch | to_json }}"}),
    "kubernetes": ("kubernetes", {"launch.json": "{{ _mlflow_server_launch_of_pods | to_json }}"}),
}
_RENDERED = "rendered.json"


def render(folder: Path) -> None:
    role = REPOSITORY / "roles" / "mlflow_server"
    (folder / "templates").symlink_to(role / "templates")
    names = sorted({name for variation in VARIATIONS.values() for name in variation})
    cases = [
        {"name": f"{profile} {variation}", "profile": profile, "auth": "auth" in variation, "variables": variables}
        for profile, (variation, variables) in product(PROFILES, VARIATIONS.items())
    ]
    play = {
        "hosts": "mlflow",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_tasks": str(REPOSITORY / "playbooks/tasks/connections.yml")},
            {
                "ansible.builtin.include_role": {
                    "name": "mlops.mlflow.mlflow_server",
                    "tasks_from": "connection",
                    "public": True,
                }
            },
            {
                "name": "render",
                "ansible.builtin.debug": {
                    "msg": {"platform": "{{ inventory_hostname }}", "case": "{{ item.name }}", "files": "{{ files }}"}
                },
                "loop": cases,
                # Refused: TLS of a server itself does not go with its jobs.
                "when": "[inventory_hostname, item.name] != ['host', 'full tls']",
                "vars": {
                    "role_path": str(role),
                    # Anew for each case, where the role keeps one.
                    "_mlflow_server_plan": "{{ _mlflow_server_planned }}",
                    "mlflow_server_profile": "{{ item.profile }}",
                    **{name: f"{{{{ item.variables.{name} | default('{_default(name)}') }}}}" for name in names},
                },
            },
        ],
    }
    hosts = {}
    for platform, (target, files) in PLATFORMS.items():
        shipped = yaml.safe_load((REPOSITORY / "inventories" / target / "group_vars/mlflow.yml").read_text())
        own: dict[str, Any] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        # Enough for the profile full, which opens most.
        own |= {"mlflow_database_max_connections": 1200, "files": files}
        hosts[platform] = shipped | own
    (folder / "hosts.json").write_text(json.dumps({"mlflow": {"hosts": hosts}}))
    (folder / "play.yml").write_text(json.dumps([play]))
    run = run_playbook(folder / "play.yml", folder / "hosts.json", program=WITHOUT_FORKS).succeeded()
    rendered: dict[str, dict[str, Any]] = {platform: {} for platform in PLATFORMS}
    for item in (item["msg"] for name, result in run.results if name == "render" for item in _done(result)):
        rendered[item["platform"]][item["case"]] = item["files"]
    (folder / _RENDERED).write_text(json.dumps(rendered))


def _done(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in result["results"] if "msg" in item]


def read(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Platform, case, name of the file: its content."""
    rendered: dict[str, dict[str, dict[str, Any]]] = json.loads((folder / _RENDERED).read_text())
    return rendered


def _default(name: str) -> str:
    defaults = yaml.safe_load((REPOSITORY / "roles/mlflow_server/defaults/main.yml").read_text())
    return str(defaults[name])
