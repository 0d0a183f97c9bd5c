"""A first deployment that somebody ends with Ctrl-C, early or late: the next one begins where it was, and serves."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from support.deployment import tasks_of
from support.environments import Environments
from support.host.deployment import Deployment
from support.processes import descendants, until

POINTS, SEED = 5, 20261128


def test_a_first_deployment_that_was_interrupted_anywhere_is_finished_by_the_next(
    environments: Environments, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    whole = Deployment(environments, "light")
    try:
        began = time.monotonic()
        with whole.as_users_do():
            whole.deploy().succeeded()
        length = time.monotonic() - began
    finally:
        whole.remove()
    interrupted = 0
    for point in range(POINTS):
        deployment, output = Deployment(environments, "light"), tmp_path / f"output-{point}"
        try:
            begun = deployment.begin("local", output=output)
            time.sleep(length * (point + chance.random()) / POINTS)
            at = tasks_of(output)[-1:]
            children = descendants(begun.pid)
            os.killpg(begun.pid, signal.SIGINT)  # the terminal's own way: to all that run in the foreground
            ended = begun.wait(60)
            interrupted += ended != 0
            print(f"\npoint {point}: {ended} at {at}")
            until(lambda: not modules(children), f"a module of {at} runs on", 60)  # noqa: B023
            deployment.deploy().succeeded()
            deployment.wait_until_healthy()
            assert deployment.deploy().succeeded().stats["changed"] == 0
            deployment.destroy(mlflow_remove_data=True).succeeded()
        finally:
            deployment.remove()
    assert interrupted >= POINTS - 1, "hardly any was early enough to interrupt anything"


def modules(processes: list[int]) -> list[int]:
    """Those that are still programs of Ansible, and not the server that it has started."""
    found = []
    for pid in processes:
        try:
            if b"AnsiballZ" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found
