# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dashboards in ConfigMaps, as the sidecar of Grafana's chart finds them by a label and puts them into a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import BadInput

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
# What Kubernetes takes as key and as value of a label.
_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_FOLDER = "grafana_folder"


def config_maps(
    dashboards: Mapping[str, str], name: str, label: str = "grafana_dashboard", folder: str = "MLflow"
) -> list[dict[str, Any]]:
    """
    :param dashboards: JSON by the name of each.
    :param name: what their names begin with.
    :param label: by which the sidecar knows them; its value is 1.
    :param folder: of Grafana; empty for the one that it has for all.
    :raises BadInput: a name or the label is none for Kubernetes.
    """
    if not _KEY.fullmatch(label):
        raise BadInput(f"'{label}' is no label of Kubernetes, such as grafana_dashboard.")
    if unusable := [one for one in (name, *dashboards) if not _NAME.fullmatch(one)]:
        raise BadInput(f"'{unusable[0]}' cannot be part of the name of a ConfigMap: use a-z, 0-9 and -.")
    notes = {"annotations": {_FOLDER: folder}} if folder else {}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{name}-dashboard-{one}", "labels": {label: "1"}, **notes},
            "data": {f"mlflow-{one}.json": text},
        }
        for one, text in sorted(dashboards.items())
    ]
