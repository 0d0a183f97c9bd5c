#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_tune
short_description: Say what makes a PostgreSQL slow for MLflow, and do what is safe about it
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Looks at sizes, dead rows, waste, indexes, the share of blocks that come from memory, long transactions, and the
    statements that take most of the time.
  - Builds and removes the indexes that O(indexes) names, cleans and analyzes tables that need it, lets autovacuum look
    at big tables more often, and builds indexes anew that are mostly empty. None of it keeps a server from reading or
    writing.
  - What would is only said.
requirements:
  - the database's driver (where O(runner) is not given, set C(ansible_python_interpreter) to the server's own interpreter)
extends_documentation_fragment:
  - mlops.mlflow.runner
  - mlops.mlflow.progress
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_runner
attributes:
  check_mode:
    support: full
    details: In check mode it looks, and says what it would do.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  uri:
    description:
      - SQLAlchemy URI of the backend store, with a driver and without a password. Its user must own the tables.
      - Required without O(runner), whose database it is otherwise.
    type: str
  password_file:
    description:
      - File on the host that holds the password of the user in O(uri). In containers and pods it is where the
        deployment has put it.
    type: path
  indexes:
    description:
      - Indexes beyond MLflow's own that there shall be - V(runs_by_time) for the newest runs of an experiment,
        V(runs_as_listed) for the list of runs on the web page, V(params_by_value) and V(metrics_by_value) for filters on
        values. Those that are there and not named are removed.
      - The last two make each log-param or log-metric a little dearer. They are not built for fewer than 50,000 rows, nor
        where C(pg_stat_statements) has seen so many writes and so few searches that they would cost more than they give.
      - Without it, indexes are left as they are.
    type: list
    elements: str
    choices: [runs_by_time, runs_as_listed, params_by_value, metrics_by_value]
  deadline:
    description:
      - Seconds after which it ends itself, unfinished. What was done until then stays done.
    type: float
    default: 86400.0
seealso:
  - module: mlops.mlflow.mlflow_schema_info
"""

EXAMPLES = r"""
- name: Say what could be done about the database of a deployment of any platform
  mlops.mlflow.mlflow_tune:
    runner: "{{ mlflow_server_connection.runner }}"
    uri: "{{ mlflow_server_connection.schema.uri }}"
    password_file: "{{ mlflow_server_connection.schema.password_file | default(omit) }}"
  check_mode: true

- name: Keep the list of runs fast, and do what is safe
  mlops.mlflow.mlflow_tune:
    uri: postgresql+psycopg://mlflow_owner@db.example.com:5432/mlflow
    password_file: /etc/mlflow/owner-password
    indexes: [runs_by_time, runs_as_listed]
  vars:
    ansible_python_interpreter: /opt/mlflow/bin/python
"""

RETURN = r"""
size:
  description: Of the whole database, in bytes.
  returned: success
  type: int
  sample: 3400000000
in_memory:
  description: Share of blocks that PostgreSQL found in its memory, since its statistics began; none before the first.
  returned: success
  type: float
  sample: 0.9931
tables:
  description:
    - The ten largest, each with its estimated C(rows), its C(size) and that of its C(indexes) in bytes, its C(dead) rows, and
      its C(waste), which are bytes that hold nothing, estimated.
  returned: success
  type: list
  elements: dict
  sample: [{name: metrics, rows: 9900000, size: 1100000000, indexes: 1500000000, dead: 0, waste: 20000000}]
indexes:
  description:
    - Each index that is offered, with its C(name), its C(table), its C(state) (V(present), V(absent), or V(refused) because
      it would cost more than it gives), its C(size) in bytes, how many times it was C(used), and C(why) it was refused.
  returned: success
  type: list
  elements: dict
  sample: [{name: runs_as_listed, table: runs, state: present, size: 9000000, used: 412, why: ""}]
statements:
  description:
    - The statements that took most of the time, with C(text) (without values), C(calls), C(mean_milliseconds) and
      C(total_seconds). None where the database does not count them.
  returned: success
  type: list
  elements: dict
  sample: [{text: SELECT runs.run_uuid FROM runs WHERE ..., calls: 120, mean_milliseconds: 172.5, total_seconds: 20.7}]
work:
  description:
    - What was done, in check mode what would be - its C(act) (V(create), V(drop), V(vacuum), V(analyze), V(reindex),
      V(autovacuum)), the C(name) of the table or index, the same in C(words), C(why), the C(seconds) that it took, and the
      C(problem), which is empty where it worked.
  returned: success
  type: list
  elements: dict
  sample:
    - act: create
      name: mlops_runs_as_listed
      words: build the index mlops_runs_as_listed
      why: for the list of runs on the web page
      seconds: 0.4
      problem: ""
findings:
  description: What only people can do about it, or should know, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["A transaction is open for 3.0 hours: meanwhile no dead row can be cleaned away."]
problems:
  description: What of the work did not succeed. The task fails when there is something.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import indexes
from ansible_collections.mlops.mlflow.plugins.module_utils._module import PROGRESS_ARGS, logging_to, run
from ansible_collections.mlops.mlflow.plugins.module_utils._runner import RUNNER_ARGS, carry_out_without_server


def tune(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    options = {"database_uri": params["uri"], "database_password_file": params["password_file"]}
    options["indexes"] = params["indexes"]
    say = logging_to(params["progress_file"])
    result = carry_out_without_server(module, "tune", options, deadline=params["deadline"], say=say)
    if result.pop("failed", False):
        module.fail_json(**result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RUNNER_ARGS,
            "uri": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "indexes": {
                "type": "list",
                "elements": "str",
                "choices": list(indexes.OFFERED),
            },
            "deadline": {"type": "float", "default": 86400.0},
            **PROGRESS_ARGS,
        },
        required_one_of=[("runner", "uri")],
        supports_check_mode=True,
    )
    run(module, tune)


if __name__ == "__main__":
    main()
