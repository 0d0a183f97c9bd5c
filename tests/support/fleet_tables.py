"""The API server of a fleet's cluster by HTTPS, for who only reads: lists in pages, as tables and as metadata alone.

Whatever else is asked, such as an instance, is an error, and is kept with all other requests.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .certificates import Authority
from .fleet_cluster import CONFIGURATIONS, SERVICES, SPACE, VOLUMES
from .loopback import Handler, Loopback, serve

PODS = f"/api/v1{SPACE}/pods"
FLEET, TOKEN = "tenants", "token-of-the-pod"
_COLUMNS = {
    SERVICES: ("Name", "URL", "LatestCreated", "LatestReady", "Ready", "Reason"),
    VOLUMES: ("Name", "Status", "Volume", "Capacity"),
    PODS: ("Name", "Ready", "Status", "Restarts", "Age"),
}
# What an API server notes of each object that was applied: most of its metadata, and nothing that is of use here.
_FIELDS: dict[str, Any] = {f"f:field-{number}": {"f:inner": {}, "f:other": {}} for number in range(40)}
Row = dict[str, Any]


class FleetCluster:
    """What the cluster has: cells of each instance's Service and claim by its name, cells and metadata of pods, and the
    instances that somebody stopped. C(refusals): status by path."""

    def __init__(self, *names: str) -> None:
        self.services: dict[str, Row] = {name: {"Ready": "True"} for name in names}
        self.claims: dict[str, Row] = {name: {"Status": "Bound"} for name in names}
        self.pods: list[tuple[str, Row]] = []
        self.stopped: set[str] = set()
        self.refusals: dict[str, list[int]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def start(self, name: str, ready: str = "2/2", created: str = "2026-11-28T05:00:00Z", **metadata: Any) -> None:
        """A pod of a server."""
        labels = {"serving.knative.dev/service": name, "app.kubernetes.io/component": "server"}
        self.pods.append(
            (name, {"Ready": ready, "metadata": {"labels": labels, "creationTimestamp": created, **metadata}})
        )

    def answer(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        query = {key: value for key, [value] in parse_qs(parts.query).items()}
        self.asked.append((parts.path, query))
        refusals = self.refusals.get(parts.path) or []
        if handler.headers["Authorization"] != f"Bearer {TOKEN}":
            refusals = [401]
        if refusals:
            handler.answer(refusals.pop(0), b'{"kind": "Status", "message": "no"}')
        else:
            page = self._page(parts.path, query, handler.headers["Accept"])
            handler.answer(200, json.dumps(page).encode())

    def _page(self, path: str, query: dict[str, str], accept: str) -> dict[str, Any]:
        rows = self._rows(path)
        begin, limit = int(query.get("continue") or 0), int(query["limit"])
        more = str(begin + limit) if begin + limit < len(rows) else ""
        rows = rows[begin : begin + limit]
        if path == CONFIGURATIONS:
            assert "PartialObjectMetadataList" in accept, "what a ConfigMap holds is nobody's business"
            return {"metadata": {"continue": more}, "items": [{"metadata": row["metadata"]} for row in rows]}
        assert "as=Table" in accept and query["includeObject"] == "Metadata"
        columns = _COLUMNS[path]
        listed = [
            {"cells": [row.get(column, "") for column in columns], "object": {"metadata": row["metadata"]}}
            for row in rows
        ]
        defined = [] if begin else [{"name": column} for column in columns]
        return {"metadata": {"continue": more}, "columnDefinitions": defined, "rows": listed}

    def _rows(self, path: str) -> list[Row]:
        found = {
            SERVICES: list(self.services.items()),
            VOLUMES: list(self.claims.items()),
            PODS: self.pods,
            CONFIGURATIONS: [(name, _STOPPED) for name in sorted(self.stopped)],
        }[path]
        return [{"Name": name, **row, "metadata": _metadata(name, row.get("metadata") or {})} for name, row in found]

    @contextmanager
    def served(self, folder: Path) -> Iterator[tuple[Loopback, dict[str, str], Path]]:
        """As a pod finds it: the server, its environment, and the folder of its ServiceAccount."""
        authority = Authority(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("cluster", "IP:127.0.0.1"))
        (folder / "ca.crt").write_bytes(authority.file.read_bytes())
        (folder / "token").write_text(f"{TOKEN}\n")
        with serve(self.answer, tls=context) as loopback:
            port = str(urlsplit(loopback.url).port)
            yield loopback, {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}, folder


_STOPPED: Row = {"metadata": {"annotations": {"mlops.mlflow/stopped": "{}"}}}


def _metadata(name: str, more: dict[str, Any]) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": name, "mlops.mlflow/fleet": FLEET}
    fields = [{"manager": "mlops.mlflow", "operation": "Apply", "fieldsV1": {"f:spec": _FIELDS}}]
    return {"name": name, "managedFields": fields, **more, "labels": {**labels, **(more.get("labels") or {})}}
