# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server is told so that it sends metrics and spans of its requests to a receiver of OpenTelemetry.

The receiver is no part of the deployment: nothing here, and no preflight, asks whether it is there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from .. import names
from ..errors import BadInput
from .settings import Settings

# Of standalone/telemetry.py, which the role and the image install under the name of this module.
SETTINGS, HEADERS = "MLOPS_MLFLOW_OPENTELEMETRY", "MLOPS_MLFLOW_OPENTELEMETRY_HEADERS"
_MODULE = "mlops_mlflow_telemetry"
# OTLP by HTTP alone: MLflow brings all else, and gRPC would bring a library of 6 MB.
PACKAGE = "opentelemetry-exporter-otlp-proto-http"
_SIGNALS = ("metrics", "traces")
_LEAST_SECONDS, _LONGEST = 1, 255


def settings_of(settings: Settings, argv: list[str]) -> str:
    """What the measured application reads, as JSON; empty where nothing is sent.

    :param argv: of the server that would not be measured: its application is the last word.
    :raises BadInput: a setting cannot be used.
    """
    endpoint = settings.text("opentelemetry_endpoint")
    if not endpoint:
        if settings.mapping("opentelemetry_headers"):
            raise BadInput(
                "mlflow_server_opentelemetry_headers is set, and mlflow_server_opentelemetry_endpoint is empty: nothing"
                " would be sent. Set both, or neither."
            )
        return ""
    names.host_of_url(endpoint, "mlflow_server_opentelemetry_endpoint")
    given = {
        "application": argv[-1] + ("()" if "--factory" in argv else ""),
        "endpoint": endpoint,
        "signals": _signals(settings),
        "sample_ratio": _ratio(settings),
        "interval": _interval(settings),
        "attributes": _attributes(settings),
    }
    return json.dumps(given, sort_keys=True)


def served(argv: list[str]) -> list[str]:
    """The words of a server whose application is measured."""
    words = [word for word in argv[:-1] if word != "--factory"]
    uvicorn = "uvicorn" in words
    return [*words, *(["--factory", f"{_MODULE}:application"] if uvicorn else [f"{_MODULE}:application()"])]


def _signals(settings: Settings) -> list[str]:
    given = settings.items("opentelemetry_signals") or list(_SIGNALS)
    if unknown := [one for one in given if one not in _SIGNALS]:
        raise BadInput(
            f"mlflow_server_opentelemetry_signals names {', '.join(unknown)}; offered are {' and '.join(_SIGNALS)}."
        )
    return [one for one in _SIGNALS if one in given]


def _ratio(settings: Settings) -> float:
    text = settings.text("opentelemetry_sample_ratio", "0.1")
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise BadInput(
            f"mlflow_server_opentelemetry_sample_ratio is {text}; it must be a number from 0 (no spans) to 1 (all)."
        )
    return ratio


def _interval(settings: Settings) -> int:
    seconds = settings.number("opentelemetry_interval", 60)
    if not _LEAST_SECONDS <= seconds <= 3600:
        raise BadInput(
            f"mlflow_server_opentelemetry_interval is {seconds}; it must be between {_LEAST_SECONDS} and 3600 seconds."
        )
    return seconds


def _attributes(settings: Settings) -> dict[str, str]:
    given: Mapping[str, Any] = settings.mapping("opentelemetry_attributes")
    for name, value in given.items():
        if not isinstance(value, (str, int, float)) or not 0 < len(str(name)) <= _LONGEST or len(str(value)) > _LONGEST:
            raise BadInput(
                f"mlflow_server_opentelemetry_attributes: {str(name)[:_LONGEST]} must be a text of at most {_LONGEST}"
                f" characters."
            )
    own = {"service.name": settings.text("name", "mlflow"), "service.version": settings.text("version")}
    own |= {"k8s.namespace.name": settings.text("namespace")}
    return {
        name: value for name, value in {**own, **{str(key): str(one) for key, one in given.items()}}.items() if value
    }
