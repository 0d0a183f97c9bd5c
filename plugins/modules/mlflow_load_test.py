#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_load_test
short_description: Load tracking servers with Locust and give a verdict
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Does what many data scientists do at once - experiments, runs, metrics, searches, artifacts, traces, models, as raw
    HTTP by Locust - and says whether the objectives held, and where they did not, why.
  - Everything is named C(mlops-load-...) and removed at the end, also after a failure. Experiments and runs are
    soft-deleted, as the API does it; C(mlflow gc) removes them for good.
  - Refuses a server that was not said to be allowed, before anything is started. While it runs, its progress is shown.
  - Leaves C(result.json), C(junit.xml) and C(report.html) in O(report_dir), with Locust's own reports.
extends_documentation_fragment:
  - mlops.mlflow.server
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_mlflow
attributes:
  check_mode:
    support: full
    details: Looks at the servers and says what would be run. Nothing is started or written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run loads the servers and writes reports.
options:
  allowed:
    description:
      - Whether the server at O(url), and each of O(targets) that does not say it itself, may be loaded.
    type: bool
    default: false
  targets:
    description:
      - Several servers to load at once, instead of O(url). Users are spread over them evenly.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name in the report. The URL where it is not given.
        type: str
      url:
        description: Where the server is.
        type: str
        required: true
      allowed:
        description: Whether it may be loaded. O(allowed) where it is not given.
        type: bool
      awake:
        description: Whether it answers without being woken. Read with O(fleet).
        type: bool
        default: false
      username:
        description: User for basic authentication. O(username) where it is not given.
        type: str
      password_file:
        description: File on the host that holds the password. That of O(password_file) where it is not given.
        type: path
  gateway:
    description:
      - C(host:port) that is asked in place of the hosts that the URLs name, by these names. For servers behind a gateway whose
        names lead nowhere yet. Not with https.
    type: str
    default: ""
  fleet:
    description:
      - Whether O(targets) are instances of a fleet, alike, some of which may sleep. Each user has one of them by chance then.
      - The first request to one that sleeps is the operation C(wake), which objectives may name; its response time is in no
        other figure.
      - One of them is inspected before, and only those that users had are cleaned up, so that no other wakes.
    type: bool
    default: false
  pods_namespace:
    description:
      - Namespace of a fleet whose pods are measured while it is loaded, by the metrics of their cluster (metrics-server).
      - Empty, none are.
    type: str
    default: ""
  cluster:
    description:
      - How to log in to the cluster of O(pods_namespace), with the options of P(kubernetes.core.k8s#module). Without it the
        current context of the kubeconfig.
    type: dict
    default: {}
    suboptions:
      kubeconfig:
        description:
          - Path of a kubeconfig file, or its content. Without it E(K8S_AUTH_KUBECONFIG), or C(~/.kube/config).
        type: raw
      context:
        description:
          - Context of the kubeconfig.
        type: str
      host:
        description:
          - URL of the API server.
        type: str
      api_key:
        description:
          - Token to log in with.
        type: str
      validate_certs:
        description:
          - Whether the API server's certificate must be valid.
        type: bool
        aliases: [verify_ssl]
      ca_cert:
        description:
          - File with the authority of the API server's certificate.
        type: path
        aliases: [ssl_ca_cert]
      client_cert:
        description:
          - Client certificate to log in with.
        type: path
        aliases: [cert_file]
      client_key:
        description:
          - Private key of O(cluster.client_cert).
        type: path
        aliases: [key_file]
  locust:
    description:
      - Locust's program on the host. The role P(mlops.mlflow.locust#role) installs it.
    type: path
    required: true
  scenario:
    description:
      - The scenario's file on the host. The same role brings it.
    type: path
    required: true
  report_dir:
    description:
      - Folder on the host for the reports. Files of an earlier test there are replaced.
    type: path
    required: true
  title:
    description:
      - Title of the reports.
    type: str
    default: Load test
  users:
    description:
      - Users at once.
    type: int
    default: 10
  spawn_rate:
    description:
      - Users that begin each second.
    type: float
    default: 5.0
  run_time:
    description:
      - Seconds that the load lasts.
    type: float
    default: 60.0
  workload:
    description:
      - V(mixed) is everything, with 0.1 to 0.5 s between two tasks of a user.
      - V(reference) is the five tasks of a published setup for scale-to-zero servers, in equal parts, with 5 to 15 s.
    type: str
    choices: [mixed, reference]
    default: mixed
  weights:
    description:
      - >-
        Changed weights of tasks, such as C({artifact_32m: 0, log_batch_500: 20}). A task of weight 0 is not done.
    type: dict
    default: {}
  wait_min:
    description:
      - Seconds between two tasks of a user, at least. Needs O(wait_max).
    type: float
  wait_max:
    description:
      - Seconds between two tasks of a user, at most. Needs O(wait_min).
    type: float
  slos:
    description:
      - >-
        Objectives as C({operation: {measure: limit}}), where an operation may be C(all). Measures are C(p50_ms),
        C(p95_ms), C(p99_ms), C(max_ms), C(error_rate) (a share, 1 % is 0.01), C(per_second) (good answers, at least)
        and C(mib_per_second) (of operations with an artifact, at least).
      - >-
        Not given, C({all: {error_rate: 0.01}}).
    type: dict
  seed:
    description:
      - The same seed gives every user the same tasks in the same order.
    type: int
    default: 1
  processes:
    description:
      - Locust processes. Each uses one core at most; more are needed when the client becomes the bottleneck.
    type: int
    default: 1
  request_timeout:
    description:
      - Seconds that a request of the load may take. O(timeout) is for looking at servers and cleaning up.
    type: float
    default: 60.0
  stop_timeout:
    description:
      - Seconds that users have at the end to finish what they do.
    type: float
    default: 30.0
  servers:
    description:
      - Servers on this host whose CPU, memory and database connections are to be watched.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name in the report.
        type: str
        required: true
      group_file:
        description: File with the server's process group, which is C(launch.group) in the server's folder.
        type: path
      container:
        description: Name of the server's container, where it runs in one of a Docker Engine.
        type: str
      database_port:
        description: Port of its database; its connections are counted then.
        type: int
  progress_interval:
    description:
      - Seconds between two lines of progress.
    type: float
    default: 5.0
  fail_on_violation:
    description:
      - Whether a broken objective fails the task. With V(false) it is only reported.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Load a server for a minute, and fail when it is too slow
  mlops.mlflow.mlflow_load_test:
    url: http://127.0.0.1:5000
    allowed: true
    locust: /opt/locust/bin/locust
    scenario: /opt/locust/mlflow_scenario.py
    report_dir: /tmp/load-test
    users: 20
    slos:
      all: {error_rate: 0.001, per_second: 50}
      log_batch_100: {p95_ms: 250}
      get_artifact_32m: {mib_per_second: 20}

- name: Load a fleet of scale-to-zero servers with the five classic tasks
  mlops.mlflow.mlflow_load_test:
    targets:
      - {name: team-a, url: "https://team-a.example.com", allowed: true}
      - {name: team-b, url: "https://team-b.example.com", allowed: true}
    workload: reference
    users: 100
    run_time: 600
    locust: /opt/locust/bin/locust
    scenario: /opt/locust/mlflow_scenario.py
    report_dir: /tmp/load-test
"""

RETURN = r"""
passed:
  description: Whether every objective held, and everything was cleaned up. Not in check mode.
  returned: when it ran
  type: bool
  sample: true
verdict:
  description: One sentence, with the reasons where it failed. In check mode what would be run.
  returned: success
  type: str
  sample: "passed: 3 objectives held (6120 requests in 60 s, 101.9/s, p95 83 ms, 0 failed)"
reasons:
  description: Why it failed, one by one.
  returned: when it ran
  type: list
  elements: str
  sample: []
slos:
  description: The objectives, one by one.
  returned: when it ran
  type: list
  elements: dict
  contains:
    operation:
      description: The operation, or C(all).
      type: str
      sample: log_batch_100
    measure:
      description: What was measured.
      type: str
      sample: p95_ms
    limit:
      description: The objective.
      type: float
      sample: 250.0
    seen:
      description: What was seen. Null where there was nothing to judge, which counts as not held.
      type: float
      sample: 83.0
    ok:
      description: Whether it held.
      type: bool
      sample: true
total:
  description: Requests, failures, rate and percentiles of all operations together. The file holds those of each.
  returned: when it ran
  type: dict
  sample: {"requests": 6120, "failures": 0, "error_rate": 0.0, "per_second": 101.9, "p50_ms": 18.0, "p95_ms": 83.0}
client_bottleneck:
  description: Why the client, and not the servers, limited what was seen. Empty when it did not.
  returned: when it ran
  type: list
  elements: str
  sample: []
clean_up:
  description: What was removed, and in C(left) what could not be.
  returned: when it ran
  type: dict
  sample: {"experiments": 12, "registered_models": 14, "traces": 96, "artifact_folders": 10, "seconds": 1.2, "left": []}
run:
  description: The name with which everything began that the test made.
  returned: success
  type: str
  sample: mlops-load-4f0a9d1c22
targets:
  description: The servers, with their versions.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "127.0.0.1:5000", "url": "http://127.0.0.1:5000", "version": "3.17.2"}]
operations:
  description: The operations that are sent.
  returned: success
  type: list
  elements: str
  sample: [search_experiments, create_run, log_metric]
left_out:
  description: Tasks that the servers cannot do, and that were left out therefore.
  returned: success
  type: list
  elements: str
  sample: []
reports:
  description: Paths of the reports by kind - C(json), C(junit), C(html).
  returned: when it ran
  type: dict
  sample: {"json": "/tmp/load-test/result.json", "junit": "/tmp/load-test/junit.xml", "html": "/tmp/load-test/report.html"}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import plan
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import run as load
from ansible_collections.mlops.mlflow.plugins.module_utils._load_test import (
    SERVERS_ARGS,
    SETTINGS_ARGS,
    TARGETS_ARGS,
    targets_of,
    watched_by,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._module import (
    SERVER_ARGS,
    SERVER_EXCLUSIVE,
    SERVER_TOGETHER,
    run,
)


def test(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    wanted = plan.wanted({name: params[name] for name in SETTINGS_ARGS}, targets_of(module))
    watched = watched_by(module, wanted.targets)
    folder = Path(params["report_dir"])
    if not folder.is_absolute():
        raise BadInput(f"report_dir is {folder}; it must be an absolute path.")
    if module.check_mode:
        return load.would(wanted)
    result = load.run(wanted, params["locust"], params["scenario"], folder, watched, params["progress_interval"])
    returned = load.returned(result, folder)
    if params["fail_on_violation"] and not returned["passed"]:
        module.fail_json(msg=f"The load test {returned['verdict']}", **returned)
    return returned


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SERVER_ARGS,
            **TARGETS_ARGS,
            **SETTINGS_ARGS,
            **SERVERS_ARGS,
            "locust": {"type": "path", "required": True},
            "scenario": {"type": "path", "required": True},
            "report_dir": {"type": "path", "required": True},
            "progress_interval": {"type": "float", "default": 5.0},
            "fail_on_violation": {"type": "bool", "default": True},
        },
        mutually_exclusive=SERVER_EXCLUSIVE,
        required_together=[*SERVER_TOGETHER, ("wait_min", "wait_max")],
        supports_check_mode=True,
    )
    run(module, test)


if __name__ == "__main__":
    main()
