#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_experiments
short_description: Run scripts as clients of a tracking server, and bring their results back
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Runs Python scripts that log to a tracking server or ask it, several at once - on the host with the server's
    libraries, in containers alongside the servers, or as Jobs in the cluster.
  - A script finds the server in E(MLFLOW_TRACKING_URI), with the login that the deployment has, and its parameters as
    arguments. What it prints last, where that is JSON, comes back as data.
  - What containers and Jobs are made of must be there - the compose file O(project), or the CronJob C(NAME-experiment) of
    the deployment's namespace. The role P(mlops.mlflow.mlflow_experiments#role) has them there while scripts run.
  - Nothing of them runs any more when the module has ended, however it ended.
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.runner
  - mlops.mlflow.progress
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_operations
attributes:
  check_mode:
    support: full
    details: In check mode no script is run.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Scripts are run each time.
options:
  experiments:
    description:
      - The scripts, in the order of their results.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What messages and the result call it.
        type: str
        required: true
      script:
        description:
          - The script itself.
        type: str
      src:
        description:
          - File on the controller with the script, relative to the C(files) of the play or role. One of O(experiments[].script)
            and O(experiments[].src) is needed.
        type: path
      parameters:
        description:
          - Become arguments of the script, C(--name=value); of a list, one for each value.
        type: dict
        default: {}
      retries:
        description:
          - How often it is run again after it failed.
        type: int
        default: 0
      image:
        description:
          - Image of its container or Job, with what it imports, instead of that of the others. It must be one that the
            playbook C(images) made, or be made of one. Refused where scripts run on a host.
        type: str
        default: ''
  parallel:
    description:
      - How many run at once.
    type: int
    default: 1
  deadline:
    description:
      - Seconds after which an attempt is ended.
    type: float
    default: 3600.0
  project:
    description:
      - Compose file with the service C(experiment), where O(runner) is of the type C(compose).
    type: path
seealso:
  - module: mlops.mlflow.mlflow_smoke_test
"""

EXAMPLES = r"""
- name: Ask a server, from here
  mlops.mlflow.mlflow_experiments:
    url: http://127.0.0.1:5000
    experiments:
      - name: count
        script: |
          import json, mlflow
          print(json.dumps(len(mlflow.search_experiments())))
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python

- name: Train with two depths at once, alongside the servers
  mlops.mlflow.mlflow_experiments:
    runner: "{{ mlflow_server_connection.runner }}"
    parallel: 2
    experiments:
      - {name: shallow, src: train.py, parameters: {depth: 2}, retries: 1}
      - {name: deep, src: train.py, parameters: {depth: 8}, retries: 1, image: "registry.example.com/mlflow-torch:1"}
"""

RETURN = r"""
experiments:
  description: One record for each script, in their order. Empty in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: shallow
    result:
      description: What it printed last, where that is JSON.
      type: raw
      sample: {accuracy: 0.97}
    log:
      description: The last 200 lines that it printed.
      type: list
      elements: str
      sample: ['{"accuracy": 0.97}']
    seconds:
      description: Seconds that the last attempt took.
      type: float
      sample: 12.4
    attempts:
      description: How often it was run.
      type: int
      sample: 1
    failed:
      description: Whether the last attempt failed; only where it did.
      type: bool
      sample: true
    msg:
      description: Why it failed.
      type: str
      sample: "The script ended with 1. The end of its log: ValueError: no rows"
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.progress import Say
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import experiment
from ansible_collections.mlops.mlflow.plugins.module_utils._module import (
    PROGRESS_ARGS,
    SERVER_ARGS,
    SERVER_EXCLUSIVE,
    SERVER_TOGETHER,
    logging_to,
    run,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out


def run_all(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    if params["runner"] and params["project"]:
        params["runner"] = {**params["runner"], "project": params["project"]}
    experiment.require_containers(params["experiments"], params["runner"])
    if module.check_mode:
        return {"changed": bool(params["experiments"]), "experiments": []}

    def one(wanted: Mapping[str, Any], say: Say) -> dict[str, Any]:
        options = {"script": wanted["script"], "parameters": wanted["parameters"]}
        image = wanted["image"]
        return carry_out(module, "experiment", options, deadline=params["deadline"], say=say, image=image)

    say = logging_to(params["progress_file"])
    done = experiment.run_all(params["experiments"], one, params["parallel"], say)
    wrong = [f"{one['name']}: {one['msg']}" for one in done if one.get("failed")]
    return {"changed": True, "experiments": done, **({"failed": True, "msg": " ".join(wrong)} if wrong else {})}


def main() -> None:
    wanted: dict[str, Any] = {
        "name": {"type": "str", "required": True},
        "script": {"type": "str"},
        "src": {"type": "path"},
        "parameters": {"type": "dict", "default": {}},
        "retries": {"type": "int", "default": 0},
        "image": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            **SERVER_ARGS,
            **RUNNER_ARGS,
            **PROGRESS_ARGS,
            "experiments": {"type": "list", "elements": "dict", "required": True, "options": wanted},
            "parallel": {"type": "int", "default": 1},
            "deadline": {"type": "float", "default": 3600.0},
            "project": {"type": "path"},
        },
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=SERVER_TOGETHER,
        supports_check_mode=True,
    )
    run(module, run_all)


if __name__ == "__main__":
    main()
