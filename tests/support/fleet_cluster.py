"""A small API server in this process: it lists in pages, applies server-side, and fails when told to."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster

from .fake_cluster import ApiException, Object, Stream

SPACE = "/namespaces/tenants"
SERVICES = f"/apis/serving.knative.dev/v1{SPACE}/services"
CONFIGURATIONS = f"/api/v1{SPACE}/configmaps"
VOLUMES = f"/api/v1{SPACE}/persistentvolumeclaims"
SECRETS = f"/api/v1{SPACE}/secrets"
SAMPLE = "fleet-sample"
TRIED = "TRIED"


def objects() -> list[Object]:
    """Those of a sample: a volume, a configuration that holds its name in a text, and servers."""
    labels = {"app.kubernetes.io/instance": SAMPLE, "app.kubernetes.io/managed-by": "mlops.mlflow"}
    container = {"name": "mlflow", "image": "mlflow:1", "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}}}
    launch = json.dumps({"argv": ["--uri", f"postgresql://db/{SAMPLE}"]})

    def one(api_version: str, kind: str, **more: Any) -> Object:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": SAMPLE, "labels": dict(labels)}, **more}

    spec = {"timeoutSeconds": 600, "serviceAccountName": SAMPLE, "containers": [container]}
    template = {"metadata": {"labels": dict(labels)}, "spec": spec}
    return [
        one("v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "1Gi"}}}),
        one("v1", "ConfigMap", data={"launch.json": launch}),
        one("serving.knative.dev/v1", "Service", spec={"template": template}),
    ]


# Is asked with the method, path and number of a request, and may return what is raised.
Fault = Callable[[str, str, int], Exception | None]


class Api:
    """C(fault) is asked before each request, with its method, path and number, and may return what is raised; C(lost)
    likewise after what was asked for is done."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.fault: Fault = lambda _method, _path, _number: None
        self.lost: Fault = self.fault
        self.ready = True
        # Of objects by kind, instead of whether they are ready.
        self.conditions: dict[str, list[Object]] = {}
        self.at_once = self.most_at_once = 0
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.configuration = type("Configuration", (), {"host": "https://cluster:6443"})()
        self._lock = threading.Lock()
        self._version = 0

    @property
    def cluster(self) -> Cluster:
        return Cluster(self)

    def names(self, collection: str) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in self.objects if path.rpartition("/")[0] == collection)

    @property
    def changes(self) -> list[str]:
        """Paths of what was applied or removed."""
        return [path for method, path in self.calls if method not in ("GET", TRIED)]

    def edit(self, path: str, field: str, value: Any, manager: str = "kubectl-edit") -> None:
        """Somebody changes C(spec.<field>) or C(data.<field>) of an object: he owns the field from then on."""
        part = "spec" if "spec" in self.objects[path] else "data"
        self.objects[path][part][field] = value
        for entry in self.objects[path]["metadata"]["managedFields"]:
            owned = entry["fieldsV1"].get(f"f:{part}", {})
            owned.pop(f"f:{field}", None)
            if not owned:
                entry["fieldsV1"].pop(f"f:{part}", None)
        fields: Object = {f"f:{part}": {f"f:{field}": {}}}
        self.objects[path]["metadata"]["managedFields"].append(
            {
                "manager": manager,
                "operation": "Update",
                "apiVersion": self.objects[path]["apiVersion"],
                "fieldsV1": fields,
            }
        )

    def call_api(self, path: str, method: str, **options: Any) -> Any:
        query, accept = dict(options["query_params"]), options["header_params"]["Accept"]
        with self._lock:
            # What is only tried is a kind of its own, also for faults.
            method = TRIED if "dryRun" in query else method
            self.calls.append((method, path))
            number = len(self.calls)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if error := self.fault(method, path, number):
                raise error
            if method != "GET":
                time.sleep(0.001)
            with self._lock:
                answer = self._answer(path, method, query, accept, deepcopy(options["body"]))
            if error := self.lost(method, path, number):
                raise error
            return answer
        finally:
            with self._lock:
                self.at_once -= 1

    def _answer(self, path: str, method: str, query: dict[str, str], accept: str, body: Any) -> Any:
        if query.get("watch"):
            return Stream([])
        if method == TRIED:
            return _answered(body)
        if method == "PATCH":
            return _answered(self._applied(path, body))
        if method == "DELETE":
            return _answered(self._deleted(path, body))
        if path in self.objects:
            return _answered(self.objects[path])
        self.asked.append((path, {**query, "accept": accept}))
        return _answered(self._listed(path, query, metadata_only="PartialObjectMetadata" in accept))

    def _applied(self, path: str, body: Object) -> Object:
        found = self.objects.get(path)
        uid = body["metadata"].pop("uid", None)
        if uid and (found or {}).get("metadata", {}).get("uid") != uid:
            raise ApiException(409, "Precondition failed: UID in precondition")
        self._version += 1
        item = deepcopy(body)
        others = [
            one for one in (found or {}).get("metadata", {}).get("managedFields", []) if one["operation"] != "Apply"
        ]
        ours = {
            "manager": "mlops.mlflow",
            "operation": "Apply",
            "apiVersion": body["apiVersion"],
            "fieldsV1": _fields(body),
        }
        item["metadata"] |= {
            "uid": found["metadata"]["uid"] if found else f"uid-{self._version}",
            "resourceVersion": str(self._version),
            "generation": 1,
            "managedFields": [ours, *others],
        }
        ready = {"type": "Ready", "status": "True" if self.ready else "False", "message": "no image"}
        item["status"] = {"observedGeneration": 1, "conditions": self.conditions.get(item["kind"], [ready])}
        self.objects[path] = item
        return item

    def _deleted(self, path: str, body: Object) -> Object:
        if path not in self.objects:
            raise ApiException(404, "not found")
        if body["preconditions"]["uid"] != self.objects[path]["metadata"]["uid"]:
            raise ApiException(409, "Precondition failed: UID in precondition")
        return self.objects.pop(path)

    def _listed(self, path: str, query: dict[str, str], *, metadata_only: bool) -> Object:
        wanted = _selected(query.get("labelSelector", ""))
        items = [
            one
            for where, one in sorted(self.objects.items())
            if where.rpartition("/")[0] == path
            and all(one["metadata"].get("labels", {}).get(key) in values for key, values in wanted.items())
        ]
        begin, limit = int(query.get("continue") or 0), int(query.get("limit") or len(items) or 1)
        page = items[begin : begin + limit]
        more = str(begin + limit) if begin + limit < len(items) else ""
        if metadata_only:
            page = [{"metadata": one["metadata"]} for one in page]
        return {"metadata": {"resourceVersion": str(self._version), "continue": more}, "items": page}


def _selected(selector: str) -> dict[str, list[str]]:
    """The values that each label may have: C(a=b,c in (d,e))."""
    found = re.findall(r"([^=, ]+)(?:=([^,]+)| in \(([^)]*)\))", selector)
    return {key: [value] if value else several.split(",") for key, value, several in found}


def _answered(body: Object) -> Any:
    # As an API server writes it: bytes, without blanks.
    return type("Answer", (), {"data": json.dumps(body, separators=(",", ":")).encode(), "status": 200})()


def _fields(body: Object) -> Object:
    """fieldsV1 of what is applied; lists are atomic, as they are in the definitions of Knative."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in ("name", "namespace")}
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    found: Object = _owned({**rest, "metadata": metadata})
    return found


def _owned(value: Any) -> Any:
    return {f"f:{key}": _owned(inner) for key, inner in value.items()} if isinstance(value, dict) else {}


class Busy(ApiException):
    """As an API server that asks to be left alone for a while."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "too many requests, please try again later")
        self.headers = {"Retry-After": str(seconds)}


def cut() -> Exception:
    """As a connection that was dropped: without an answer."""
    return ConnectionResetError("Connection aborted. (Caused by ConnectionResetError: reset by peer)")
