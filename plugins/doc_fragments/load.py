# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches LOAD_ARGS of module_utils/_load.py: a load test whose Locust runs in containers beside the servers.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    details: In check mode nothing is done.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run is another load test.
options:
  url:
    description:
      - Where the server is, seen from Locust's containers.
    type: str
    required: true
  settings:
    description:
      - The settings that the filter P(mlops.mlflow.load_plan#filter) made the plan of.
    type: dict
    required: true
  runner:
    description:
      - Where the deployment's operations run, as C(mlflow_server_connection.runner) of the role
        P(mlops.mlflow.mlflow_server#role) says. What the test made is removed there.
    type: dict
    required: true
  report_dir:
    description:
      - Folder for the reports.
    type: path
    required: true
  start_timeout:
    description:
      - Seconds that the containers may take to start.
    type: float
    default: 300.0
  run_time:
    description:
      - Seconds that the load lasts, so that its progress can be shown to the end.
    type: float
    default: 60.0
"""
