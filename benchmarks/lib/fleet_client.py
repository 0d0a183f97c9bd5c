# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the benchmarks of fleets share: the objects of a sample as the roles render them, and a run of a fleet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from . import environment

sys.path.insert(0, str(environment.ROOT / "tests"))

from support.playbooks import run_play

SAMPLE = "mlflow-fleet-sample"
_DATABASE = {
    "mlflow_database_type": "external_postgresql",
    "mlflow_database_uri": "postgresql+psycopg://mlflow@db.example.com:5432/{{ mlflow_name }}",
    "mlflow_database_max_connections": 200,
}


def sample(folder: Path, **own: Any) -> list[dict[str, Any]]:
    """The objects of one instance, with the inventory of kubernetes_knative and what C(own) changes of it."""
    file = folder / "objects.json"
    collecting = yaml.safe_load((environment.ROOT / "playbooks/tasks/fleet_sample.yml").read_text())
    content = {"dest": str(file), "content": "{{ kubernetes_manifests_collected | to_json }}", "mode": "0600"}
    tasks = [*collecting, {"name": "write", "ansible.builtin.copy": content}]
    inventory = environment.ROOT / "inventories/kubernetes_knative/group_vars/mlflow.yml"
    rendered = {"mlflow_name": SAMPLE, "mlflow_server_render_dir": "nowhere"}
    variables = {**yaml.safe_load(inventory.read_text()), **_DATABASE, **rendered, **own}
    run_play(tasks, variables=variables).succeeded()
    return list(json.loads(file.read_text()))


def run(request: Mapping[str, Any]) -> dict[str, float]:
    """A fleet as it is requested, by a process of its own: CPU seconds of its start, and bytes that it held."""
    done = subprocess.run(
        # -P: files beside it have names of libraries.
        [sys.executable, "-P", str(environment.ROOT / "benchmarks/lib/fleet_run.py")],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"the fleet failed: {done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    print(told, file=sys.stderr, flush=True)
    if told["counts"].get("failures"):
        sys.exit(f"instances failed: {told['counts']}")
    return {"of it start": told["start cpu"], "client MiB": told["memory"] / 2**20}
