# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: options of a load test from a host, and the servers that they name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

from ._engine.load import pods, resources
from ._engine.load.plan import Target
from ._kubernetes import LOGIN_ARGS, cluster_of
from ._module import secret_of, server_of

# What is sent, and how it is judged.
SETTINGS_ARGS: dict[str, Any] = {
    "title": {"type": "str", "default": "Load test"},
    "users": {"type": "int", "default": 10},
    "spawn_rate": {"type": "float", "default": 5.0},
    "run_time": {"type": "float", "default": 60.0},
    "workload": {"type": "str", "choices": ["mixed", "reference"], "default": "mixed"},
    "weights": {"type": "dict", "default": {}},
    "wait_min": {"type": "float"},
    "wait_max": {"type": "float"},
    "slos": {"type": "dict"},
    "seed": {"type": "int", "default": 1},
    "processes": {"type": "int", "default": 1},
    "request_timeout": {"type": "float", "default": 60.0},
    "stop_timeout": {"type": "float", "default": 30.0},
    "fleet": {"type": "bool", "default": False},
}
TARGETS_ARGS: dict[str, Any] = {
    "allowed": {"type": "bool", "default": False},
    "targets": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str"},
            "url": {"type": "str", "required": True},
            "allowed": {"type": "bool"},
            "awake": {"type": "bool", "default": False},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
        },
    },
    "gateway": {"type": "str", "default": ""},
}
# What is measured meanwhile.
SERVERS_ARGS: dict[str, Any] = {
    "servers": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "group_file": {"type": "path"},
            "container": {"type": "str"},
            "database_port": {"type": "int"},
        },
        "mutually_exclusive": [("group_file", "container")],
        "required_one_of": [("group_file", "container")],
    },
    "pods_namespace": {"type": "str", "default": ""},
    "cluster": {"type": "dict", "options": LOGIN_ARGS, "default": {}},
}


def targets_of(module: AnsibleModule) -> list[Target]:
    """The servers to load: those of the option C(targets), each with its own login where it has one, or the one."""
    params = module.params
    shared = replace(server_of(module), gateway=params["gateway"])
    if params["targets"] is None:
        return [Target(urlsplit(shared.url).netloc, shared, params["allowed"], params["password_file"])]
    found = []
    for one in params["targets"]:
        own_file = one["password_file"] or params["password_file"]
        password = shared.password
        if one["password_file"]:
            module.params["target_password_file"] = one["password_file"]
            password = secret_of(module, "target_password")
        username = one["username"] or shared.username
        server = replace(shared, url=one["url"], username=username, password=password if username else None)
        allowed = params["allowed"] if one["allowed"] is None else one["allowed"]
        found.append(Target(one["name"] or one["url"], server, allowed, own_file if username else None, one["awake"]))
    return found


def watched_by(module: AnsibleModule, targets: list[Target]) -> list[resources.Watched]:
    """What is measured: servers on this machine, and the pods of a fleet in their cluster."""
    params = module.params
    found = resources.watched(params["servers"])
    if params["pods_namespace"]:
        cluster = cluster_of(module, params["cluster"])
        found.append(pods.Fleet(cluster, params["pods_namespace"], [one.name for one in targets]).watched())
    return found
