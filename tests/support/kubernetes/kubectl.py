"""The cluster under test, seen through kubectl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support.testbed import settings

Seen = TypeVar("Seen")
SERVER, DATABASE, STORE = "server", "database", "artifact-store"


@dataclass(frozen=True)
class Kubectl:
    """One cluster. C(namespace) goes with every call unless the call names another."""

    kubeconfig: Path
    context: str
    namespace: str = "default"

    def within(self, namespace: str) -> Kubectl:
        return Kubectl(self.kubeconfig, self.context, namespace)

    def argv(self, *arguments: str) -> list[str]:
        program = shutil.which("kubectl", path=str(settings.PROGRAMS_IN_USE)) or "kubectl"
        access = [f"--kubeconfig={self.kubeconfig}", f"--context={self.context}", f"--namespace={self.namespace}"]
        # Options before the first word: what follows `--` belongs to the container.
        return [program, *access, *arguments]

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl says on either stream: refusals are part of what is tested."""
        done = subprocess.run(
            self.argv(*arguments), input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}"
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self(*arguments, "--output=json")))

    def items(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        return list(self.json("get", kind, *arguments)["items"])

    def apply(self, *objects: dict[str, Any]) -> None:
        self("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def execute(self, pod: str, *command: str, check: bool = True) -> str:
        return self("exec", pod, "--", *command, check=check)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The component's pods that are not on their way out."""
        found = self.items("pods", f"--selector=app.kubernetes.io/component={component}")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def has_namespace(self, name: str) -> bool:
        return bool(self("get", "namespace", name, "--ignore-not-found").strip())

    def remove_namespace(self, name: str, wait: bool = True) -> None:
        self("delete", "namespace", name, "--ignore-not-found", f"--wait={'true' if wait else 'false'}")

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        """The local port that leads to a port of C(target), such as C(service/mlflow)."""
        command = self.argv("port-forward", target, f":{port}")
        with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as forward:
            try:
                said = forward.stdout.readline() if forward.stdout else ""
                found = re.search(r"127\.0\.0\.1:(\d+)", said)
                assert found, f"kubectl port-forward: {said}"
                yield int(found[1])
            finally:
                forward.terminate()


def name(thing: dict[str, Any]) -> str:
    return str(thing["metadata"]["name"])


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def restarts(pods: list[dict[str, Any]]) -> int:
    return sum(status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses") or [])


def eventually(what: str, look: Callable[[], Seen], seconds: float = 90, every: float = 0.5) -> Seen:
    """What C(look) returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(every)
