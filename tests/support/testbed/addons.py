"""What a usable cluster has besides its components: names, metrics, volumes. One file each in tests/cluster/addons/."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any

from . import images, node, settings
from .control_plane import kubectl
from .shell import Failure, wait_for

SECONDS = 120


def apply() -> None:
    kubectl("apply", "--server-side", "--filename=-", stdin=manifests())


def manifests() -> str:
    values = {
        "image_prefix": settings.IMAGE_PREFIX,
        "debian_image": images.DEBIAN_IMAGE,
        "dns_ip": settings.DNS_SERVICE_IP,
        "volumes": str(node.VOLUMES),
    }
    # Values of ours are written ${so}; a shell's $so inside a manifest stays.
    files = sorted(settings.ADDONS.glob("*.yaml"))
    return "\n---\n".join(string.Template(file.read_text()).safe_substitute(values) for file in files)


def wait(check: Callable[[], None]) -> None:
    try:
        wait_for("names, metrics and volumes", ready, seconds=SECONDS, check=check)
    except Failure as failure:
        raise Failure(f"{failure}\n{describe()}") from failure


def ready() -> bool:
    """Every addon is available, and the API that metrics-server adds answers for this node."""
    listed = deployments()
    return bool(listed) and all(map(is_available, listed)) and kubectl("top", "node", check=False).returncode == 0


def deployments() -> list[Any]:
    listed = kubectl("get", "--filename=-", "--output=json", stdin=manifests(), check=False)
    return [item for item in json.loads(listed.stdout or "{}").get("items", []) if item["kind"] == "Deployment"]


def is_available(deployment: Any) -> bool:
    return bool(deployment.get("status", {}).get("availableReplicas", 0) == deployment["spec"]["replicas"])


def describe() -> str:
    """The events and last log lines of what is not available, or the pods when all is."""
    words = [kubectl("get", "pods", "--all-namespaces", "--output=wide", check=False).stdout]
    for deployment in deployments():
        if not is_available(deployment):
            name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
            words.append(kubectl("events", f"--namespace={namespace}", "--types=Warning", check=False).stdout)
            words.append(f"last lines of {name}:")
            logs = kubectl("logs", f"--namespace={namespace}", f"deployment/{name}", "--tail=10", check=False)
            words.append(logs.stdout or logs.stderr)
    return "\n".join(words)
