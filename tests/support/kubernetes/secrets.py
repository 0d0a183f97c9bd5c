"""Where secrets of a deployment could appear, and whether they do."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from . import processes
from .deployment import Deployment
from .kubectl import name


def secrets_in_clear(deployment: Deployment, folder: Path, **given: Any) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Deploys it twice. Gives all secrets, and which of them was found where."""
    places = {"what Ansible prints": deployment.screen(folder, "-vvv", "--diff", **given)}
    pods = deployment.kubectl.items("pods")
    kinds = ",".join(
        kind
        for kind in deployment.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        if kind not in ("secrets", "events", "events.events.k8s.io")
    )
    again = ["-vvv", "--diff", "-e", "mlflow_server_access_log=true"]
    places |= {
        "arguments of processes": "\n".join(command for pod in pods for command in processes.of_pod(pod).values()),
        "second run": deployment.screen(folder, *again, **given),
        "kubectl describe": deployment.kubectl("describe", kinds),
        "kubectl describe secrets": deployment.kubectl("describe", "secrets"),
        "kubectl get --output=yaml": deployment.kubectl("get", kinds, "--output=yaml"),
        "events": deployment.kubectl("get", "events", "--output=yaml"),
        **{
            f"log of {name(pod)}": deployment.kubectl("logs", name(pod), "--all-containers")
            for pod in deployment.kubectl.items("pods")
        },
    }
    assert all(places.values()), f"nothing to search in: {[place for place, text in places.items() if not text]}"
    secrets = deployment.secrets()
    return secrets, {
        (place, key)
        for place, text in places.items()
        for key, value in secrets.items()
        if value in text or base64.b64encode(value.encode()).decode() in text
    }
