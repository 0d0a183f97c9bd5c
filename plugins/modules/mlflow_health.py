#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_health
short_description: Check whether an MLflow tracking server really works
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Runs the checks of a level and those of the levels below it, and times each, from "a process answers" to "a foreign
    Host header is refused". With O(runner) it also looks what the platform shows of the deployment (C(workload)),
    whether clients find it (C(published)), and whether its certificates are valid for some time yet (C(certificates), of
    a host or a load balancer that serves TLS, and of a deployment whose pods talk it).
  - MLflow's own C(/health) stays 200 when its database is gone. This module reads and writes the database, puts an
    artifact and gets it back, and leaves nothing behind.
  - Needs no Python library beyond the standard one, except for the check C(schema) of a PostgreSQL database.
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.runner
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_operations
attributes:
  check_mode:
    support: full
    details: In check mode nothing is written, so the module goes no further than level V(ready).
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  level:
    description:
      - Which checks to run. Each level includes the ones before it.
      - V(live) asks whether a process answers.
      - V(ready) adds version, capabilities and a read of the database. Nothing is written.
      - V(deep) adds a write to the database that leaves no row, an artifact put, read back and deleted, and a request
        as the server's own web page under this url sends it.
      - V(full) adds the schema revision (with O(database_uri)) and the refusal of a foreign Host header.
    type: str
    choices: [live, ready, deep, full]
    default: ready
  version:
    description:
      - Fail unless the server runs this version.
    type: str
  database_uri:
    description:
      - SQLAlchemy URI of the backend store, to read the schema revision at level V(full). Without a password.
      - Without O(runner), the interpreter must have the driver and the MLflow that the server runs. Set C(ansible_python_interpreter) to
        the server's own.
    type: str
  database_password_file:
    description:
      - File on the host that holds the password for O(database_uri).
    type: path
  wake:
    description:
      - Whether servers that sleep are woken, as those of a workload C(KnativeService) are by every request. With V(false)
        only what the platform shows is checked while they do, and the other checks are not tried.
    type: bool
    default: true
  wait:
    description:
      - Whether to repeat until the server is healthy. Returns as soon as it is.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait at most.
    type: float
    default: 120.0
  wait_sleep:
    description:
      - Seconds between two tries.
    type: float
    default: 0.5
  fail_when_unhealthy:
    description:
      - Whether an unhealthy server fails the task. With V(false) it is only reported.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Fail unless database and artifact store work
  mlops.mlflow.mlflow_health:
    url: http://127.0.0.1:5000
    level: deep

- name: Wait until a server that was just started is ready
  mlops.mlflow.mlflow_health:
    url: https://mlflow.example.com/mlflow
    username: admin
    password_file: /etc/mlflow/admin-password
    ca_path: /etc/ssl/company-ca.pem
    wait: true
    wait_timeout: 60

- name: Check a deployment of any platform, as the role says that it is operated
  mlops.mlflow.mlflow_health:
    runner: "{{ mlflow_server_connection.runner }}"
    level: full

- name: Report, do not fail
  mlops.mlflow.mlflow_health:
    url: http://127.0.0.1:5000
    level: full
    version: 3.17.2
    database_uri: sqlite:////var/lib/mlflow/database/mlflow.db
    fail_when_unhealthy: false
  register: health
"""

RETURN = r"""
healthy:
  description: Whether every check that ran held.
  returned: always
  type: bool
  sample: true
verdict:
  description: One sentence with the level, and with the reasons where something failed.
  returned: always
  type: str
  sample: "healthy at level deep: 6 checks in 0.09 s"
level:
  description: The highest level of which every check was tried; at most V(ready) in check mode, and empty where none was.
  returned: always
  type: str
  sample: deep
requested_level:
  description: The level that was asked for; at most V(ready) in check mode.
  returned: always
  type: str
  sample: deep
checks:
  description: One record for each check that ran, in order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: One of process, version, capabilities, database_read, database_write, artifacts, web_page, schema,
        foreign_host, workload, published, certificates.
      type: str
      sample: database_read
    ok:
      description: Whether the check held.
      type: bool
      sample: true
    seconds:
      description: Seconds that the check took.
      type: float
      sample: 0.0124
    message:
      description: What was seen, or why it failed.
      type: str
      sample: one experiment read
not_tried:
  description: Checks that could not be tried. They count neither as passed nor as failed.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
      sample: schema
    reason:
      description: Why it was not tried.
      type: str
      sample: no database_uri was given
attention:
  description: What will be wrong unless somebody acts, such as a certificate that ends within 30 days. The verdict says it, too.
  returned: always
  type: list
  elements: str
  sample: []
version:
  description: The server's version, where it told it.
  returned: always
  type: str
  sample: 3.17.2
capabilities:
  description: What the server's C(server-info) says, as it is.
  returned: always
  type: dict
  sample: {"store_type": "SqlStore", "artifact_serving_enabled": true}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, EngineError, MissingLibrary
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import DEFAULT_URL
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health
from ansible_collections.mlops.mlflow.plugins.module_utils._module import (
    SERVER_ARGS,
    SERVER_EXCLUSIVE,
    SERVER_TOGETHER,
    run,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import (
    RUNNER_ARGS,
    carry_out,
    deployment_of,
    password_place,
)


def check(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    options = {name: params[name] for name in ("level", "version", "database_uri", "database_password_file")}
    if params["wait"]:
        options |= {"wait_timeout": params["wait_timeout"], "wait_sleep": params["wait_sleep"]}
    deployment = deployment_of(module)
    sleeps = deployment.asleep() if deployment and not params["wake"] else ""
    report = health.of_sleeping(params["level"], sleeps)
    try:
        report = report if sleeps else health.Report.of(carry_out(module, "health", options))
    except BadInput:
        raise
    except EngineError as error:
        if deployment is None:
            raise
        # Nothing of the deployment can be asked: the platform may show why.
        report = health.Report(params["level"], [health.Check("process", False, 0.0, str(error))])
        report.unseen = isinstance(error, MissingLibrary)
    report.password_place = password_place(module)
    if deployment and report.level != "live":
        # Where the server itself is not well, waiting for the platform would only take longer.
        patience = params["wait_timeout"] if params["wait"] and (report.healthy or sleeps) else 0.0
        report.run("workload", deployment.workload, patience)
        report.run("published", deployment.published, patience)
        report.inspect_certificates(deployment.certificates)
    result = {"changed": False, **report.as_dict()}
    if params["fail_when_unhealthy"] and not report.healthy:
        where = params["url"] or (params["runner"] or {}).get("name") or DEFAULT_URL
        module.fail_json(msg=f"MLflow at {where} is {report.verdict}", **result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SERVER_ARGS,
            **RUNNER_ARGS,
            "level": {"type": "str", "choices": ["live", "ready", "deep", "full"], "default": "ready"},
            "version": {"type": "str"},
            "database_uri": {"type": "str"},
            "database_password_file": {"type": "path", "no_log": False},
            "wake": {"type": "bool", "default": True},
            "wait": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 120.0},
            "wait_sleep": {"type": "float", "default": 0.5},
            "fail_when_unhealthy": {"type": "bool", "default": True},
        },
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=SERVER_TOGETHER,
        supports_check_mode=True,
    )
    run(module, check)


if __name__ == "__main__":
    main()
