"""A server of the model that wine.py registers, made by model_image.py and asked for predictions."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from .kubernetes.kubectl import eventually


def script(registry: str) -> dict[str, Any]:
    """What makes its image in a registry that has the base image C(mlflow:1)."""
    where = {"base": f"{registry}/mlflow:1", "image": f"{registry}/team/wine:1", "plain-http": True}
    return {"name": "image", "src": "model_image.py", "parameters": {"model": "wine", **where}}


def predicts(port: int) -> None:
    """It does, as soon as it serves, and wines that differ do not have one prediction."""
    eventually("it serves", lambda: _invoke(port, 0.0), 180)
    assert _invoke(port, 0.0) != _invoke(port, 100.0)


def _invoke(port: int, value: float) -> Any:
    """What it predicts of a wine; nothing where it does not answer yet."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({"inputs": [[value] * 13]}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["predictions"]
    except (OSError, ValueError):
        return None
