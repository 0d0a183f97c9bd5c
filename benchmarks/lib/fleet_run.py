# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of a fleet, in a process of its own: reads a request from standard input, and writes what it took.

It works as the modules mlflow_fleet and mlflow_fleet_health do, without Ansible around them.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".dev"))

import kubernetes
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import declaration, deploy, health
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster


def main() -> None:
    asked = json.load(sys.stdin)
    login = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(asked.pop("kubeconfig"), client_configuration=login)
    cluster = Cluster(kubernetes.client.ApiClient(configuration=login))
    begin = _cpu()
    instances = declaration.declare(
        asked.pop("own"), count=asked.pop("count"), pattern=asked.pop("pattern"), limit=1_000_000
    )
    if asked.pop("health", False):
        names = [one.name for one in instances]
        done = health.check(cluster, asked["namespace"], asked["fleet"], names)
    else:
        done = deploy.deploy(cluster, deploy.Request(instances=instances, **asked))
    told = {"counts": done["counts"]}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    json.dump({**told, "start cpu": begin, "cpu": _cpu() - begin, "memory": usage.ru_maxrss * 1024}, sys.stdout)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
