#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_host_info
short_description: Inspect an MLflow server that runs as a process on a host
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - One inspection of the host answers what a deployment must know before it changes anything - the Python version, who holds
    the port, which folders cannot be written, what is installed, and what supervises the server. Changes nothing.
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description:
      - The server's folder, which is C(mlflow_server_dir) of the role P(mlops.mlflow.mlflow_server#role).
    type: path
    required: true
  name:
    description:
      - Name of the program or unit that supervises the server.
    type: str
    default: mlflow
  host:
    description:
      - Address that the server listens on.
    type: str
    default: 127.0.0.1
  port:
    description:
      - Port that the server listens on.
    type: int
    default: 5000
  expects:
    description:
      - Files that must all be there for RV(installed).
    type: list
    elements: path
    default: []
  directories:
    description:
      - Folders that must be writable, or creatable.
    type: list
    elements: path
    default: []
  endpoints:
    description:
      - Services that the server will need, each as C(HOST:PORT). Each gets 10 seconds to accept a connection.
    type: list
    elements: str
    default: []
  imports:
    description:
      - Interpreters of environments, each with a library that the server's user must be able to import with it.
    type: dict
    default: {}
  user:
    description:
      - User that runs the server, where it is not the one that Ansible is.
    type: str
    default: ''
  supervision:
    description:
      - What supervises the server. V(auto) takes systemd where the host runs it and the user is root.
    type: str
    choices: [auto, systemd, supervisor]
    default: auto
  units:
    description:
      - Units of systemd, each with a text that it holds where this deployment wrote it. That of the server itself is among
        RV(units) without being named.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Inspect a server
  mlops.mlflow.mlflow_host_info:
    directory: /var/lib/mlflow/server
    port: 5000
  register: server
"""

RETURN = r"""
python:
  description: Version of the interpreter that ran the module.
  returned: success
  type: str
  sample: 3.12.1
python_supported:
  description: Whether the collection supports that version.
  returned: success
  type: bool
  sample: true
systemd:
  description: Whether the host runs systemd and the user may add system units.
  returned: success
  type: bool
  sample: false
installed:
  description: Whether all of O(expects) are there, and nothing is RV(broken).
  returned: success
  type: bool
  sample: true
port:
  description: >-
    V(free), V(ours) (held by this deployment), V(taken) (held by something else), or V(impossible): nobody can listen there.
  returned: success
  type: str
  sample: ours
port_problem:
  description: Why nobody can listen there.
  returned: success
  type: str
  sample: it is no address of this host
program:
  description: What the supervisor says of the server; V(absent) where there is none, V(unreachable) where it is down.
  returned: success
  type: str
  sample: RUNNING
supervised:
  description: Whether a supervisor answers for the server.
  returned: success
  type: bool
  sample: true
pid:
  description: Process id of the server.
  returned: success
  type: int
  sample: 4711
log:
  description: Path of the server's log; none where systemd's journal has it.
  returned: success
  type: str
  sample: /var/lib/mlflow/server/server.log
unwritable:
  description: Each of O(directories) that cannot be used, with the reason.
  returned: success
  type: dict
  sample: {"/srv/mlflow": "/srv is not a folder"}
out_of_reach:
  description: Each of O(endpoints) that accepts no connection, with the reason.
  returned: success
  type: dict
  sample: {"db.example.com:5432": "Connection refused"}
broken:
  description: Environments of O(imports) that are there, and that the server's user cannot use.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/mlflow/server/tools]
socket_too_long:
  description: Whether the path of supervisor's socket would be longer than a Unix socket allows.
  returned: success
  type: bool
  sample: false
deployed:
  description: Version of MLflow that the server is started with; empty where none is deployed.
  returned: success
  type: str
  sample: 3.17.2
interpreter:
  description: Python that the server is started with; empty where none is deployed.
  returned: success
  type: str
  sample: /var/lib/mlflow/server/environments/3.17.2-0a1b2c3d4e/bin/python
root:
  description: Whether Ansible is root on the host, who would run the server where no other user is named.
  returned: success
  type: bool
  sample: true
outdated:
  description: >-
    Whether a file that the server reads at its start, its launch, its secrets or how it is supervised, was written after
    it started.
  returned: success
  type: bool
  sample: false
units:
  description: >-
    Of each unit of systemd V(absent), V(ours), or the path of one that was made by others. Nothing is ever done with those.
  returned: success
  type: dict
  sample: {"mlflow.service": "ours"}
pip_cert:
  description: E(PIP_CERT) on the host, by which pip verifies packages where TLS is inspected; empty where it is not set.
  returned: success
  type: str
  sample: ''
launch:
  description: What the server is started with, and where its secrets are; empty where none is deployed.
  returned: success
  type: dict
  sample: {argv: [], env: {}, secrets: {}, jobs: null, inherits: [], keys: []}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.host import inspect
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def gather(module: AnsibleModule) -> dict[str, Any]:
    return {"changed": False, **inspect.gather(**module.params).as_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "name": {"type": "str", "default": "mlflow"},
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 5000},
            "expects": {"type": "list", "elements": "path", "default": []},
            "directories": {"type": "list", "elements": "path", "default": []},
            "endpoints": {"type": "list", "elements": "str", "default": []},
            "imports": {"type": "dict", "default": {}},
            "user": {"type": "str", "default": ""},
            "supervision": {"type": "str", "choices": ["auto", "systemd", "supervisor"], "default": "auto"},
            "units": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
