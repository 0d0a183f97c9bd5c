"""A cluster that answers as a real API server did: paths with JSON, and pods in the states that go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine import protocol
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import client

Object = dict[str, Any]
NAMESPACE = "/api/v1/namespaces/team-a"
REVISION = "deployment.kubernetes.io/revision"


class ApiException(Exception):
    """As the client's: an HTTP status and the body of a Status object."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = json.dumps({"kind": "Status", "message": message, "code": status})


class Api:
    """The client of a real cluster, but for the network.

    C(answers) holds objects and lists by path; a list of states under one path is given out one after the other, the
    last one for ever. C(rules) are the permissions, as C(verb resource.group), or C(None) for all.
    """

    def __init__(self, answers: Mapping[str, Any] | None = None, rules: set[str] | None = None) -> None:
        self.answers = dict(answers or {})
        self.rules = rules
        self.calls: list[tuple[str, str, Any]] = []
        self.queries: dict[str, dict[str, str]] = {}
        self.accepted: dict[str, str] = {}
        # What is answered to a change, by path, and whether deleted objects stay.
        self.refusals: dict[str, Exception] = {}
        self.stubborn = False
        self.configuration = type("Configuration", (), {"host": "https://cluster:6443"})()

    def call_api(self, path: str, method: str, **options: Any) -> Any:
        body = options["body"]
        self.calls.append((method, path, body))
        self.queries[path] = query = dict(options["query_params"])
        self.accepted[path] = options["header_params"]["Accept"]
        if query.get("watch"):
            return Stream(self._events(self._meant(path, query)))
        meant = self._meant(path, query)
        answer = self._answer(meant, method, body, listed=meant != path)
        return type("Answer", (), {"data": json.dumps(answer), "status": 200})()

    def _meant(self, path: str, query: Mapping[str, str]) -> str:
        """A collection of which one object is asked for by its name is that object."""
        _field, _equals, name = query.get("fieldSelector", "").partition("metadata.name=")
        return f"{path}/{name}" if name else path

    def _events(self, path: str) -> list[Object]:
        """The states of one object that come after those which were given out."""
        states = self.answers.get(path)
        rest = states.rest() if isinstance(states, States) else []
        return [{"type": "MODIFIED", "object": state} for state in rest]

    def _answer(self, path: str, method: str, body: Any, listed: bool = False) -> Any:
        if path.endswith("/selfsubjectaccessreviews"):
            return {"status": {"allowed": self._allowed(body["spec"]["resourceAttributes"])}}
        if method != "GET" and path in self.refusals:
            raise self.refusals[path]
        if method == "DELETE" and not self.stubborn:
            self.answers.pop(path, None)
        if method != "GET":
            return body
        answer = self.answers.get(path)
        if isinstance(answer, States):
            answer = answer.next()
        if isinstance(answer, Exception):
            raise answer
        if answer is None and not listed:
            raise ApiException(404, "not found")
        if listed and not isinstance(answer, list):
            answer = [answer] if answer else []
        return {"items": answer, "metadata": {"resourceVersion": "1"}} if isinstance(answer, list) else answer

    def _allowed(self, asked: Mapping[str, str]) -> bool:
        if self.rules is None:
            return True
        group = f".{asked['group']}" if asked["group"] else ""
        return f"{asked['verb']} {asked['resource']}{group}" in self.rules

    @property
    def changes(self) -> list[tuple[str, str, Any]]:
        return [call for call in self.calls if call[0] != "GET" and "accessreview" not in call[1]]


class States:
    """What one path answers, one after the other."""

    def __init__(self, *states: Any) -> None:
        self._states = list(states)

    def next(self) -> Any:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def rest(self) -> list[Any]:
        rest, self._states = self._states, self._states[-1:]
        return rest


class Stream:
    """A response that tells these events, and then nothing more until it is shut down, or ends by itself."""

    def __init__(self, events: Sequence[Object | Exception], ends: bool = False) -> None:
        self._events, self._ends = list(events), ends
        self._over = threading.Event()

    def stream(self, _amount: Any, **_options: Any) -> Iterator[bytes]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            text = json.dumps(event).encode() + b"\n"
            # As networks do it: not in one piece.
            yield text[:7]
            yield text[7:]
        if not self._ends:
            self._over.wait(10)

    def shutdown(self) -> None:
        self._over.set()


class Executing(client.Cluster):
    """A cluster in whose pods commands say this."""

    def __init__(self, api: Api, said: str) -> None:
        super().__init__(api)
        self.said = said
        self.executed: list[tuple[str, str, list[str]]] = []
        self.given: list[str] = []

    def converse(self, namespace: str, pod: str, container: str, argv: Any, line: str, timeout: float, say: Any) -> str:
        self.executed.append((pod, container, list(argv)))
        self.given.append(line)
        # What is said answers the request that was made.
        return self.said.replace('"id": ""', f'"id": "{json.loads(line)["id"]}"')

    def execute(self, namespace: str, pod: str, container: str, argv: Any, timeout: float) -> str:
        self.executed.append((pod, container, list(argv)))
        return self.said


def ops_line(**result: Any) -> str:
    return protocol.result_line(result)


def deployment(wanted: int = 2, ready: int | None = None, **status: Any) -> Object:
    ready = wanted if ready is None else ready
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "mlflow",
            "uid": "uid-of-the-deployment",
            "generation": 3,
            "annotations": {REVISION: "3"},
        },
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "mlflow"}}},
        "status": {
            "observedGeneration": 3,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            **status,
        },
    }


def job(*conditions: str, name: str = "mlflow-setup") -> Object:
    return {
        "kind": "Job",
        "metadata": {"name": name, "uid": "uid-of-the-job", "annotations": {"mlops.mlflow/checksum": "abc"}},
        "spec": {"backoffLimit": 0},
        "status": {"conditions": [{"type": condition, "status": "True"} for condition in conditions]},
    }


def replica_sets() -> list[Object]:
    """Those of the deployment: of its roll-out now, and of the one before."""
    return [
        {
            "metadata": {
                "name": f"mlflow-{revision}",
                "uid": f"uid-of-revision-{revision}",
                "annotations": {REVISION: revision},
                "ownerReferences": [{"uid": "uid-of-the-deployment"}],
            }
        }
        for revision in ("2", "3")
    ]


def stateful_set(ready: int = 0) -> Object:
    status = {"observedGeneration": 3, "replicas": 1, "updatedReplicas": ready, "updateRevision": "database-new"}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "mlflow-database", "uid": "uid-of-the-set", "generation": 3},
        "spec": {"replicas": 1},
        "status": {**status, "readyReplicas": ready},
    }


def of(owner: str, pod: Object, **labels: str) -> Object:
    """The pod of another owner than the deployment's roll-out now."""
    pod["metadata"]["ownerReferences"] = [{"uid": owner}]
    pod["metadata"]["labels"] |= labels
    return pod


def pod(name: str = "mlflow-5d5c-x2x", *statuses: Object, phase: str = "Running", **status: Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": "2026-11-21T12:00:00Z",
            "ownerReferences": [{"uid": "uid-of-revision-3"}],
            "labels": {"app.kubernetes.io/component": "server"},
        },
        "spec": {"containers": [{"name": "mlflow"}]},
        "status": {"phase": phase, "containerStatuses": list(statuses), **status},
    }


def container(state: str, ready: bool = False, name: str = "mlflow", restarts: int = 0, **details: Any) -> Object:
    return {
        "name": name,
        "image": "mlops-mlflow:3.17.2",
        "ready": ready,
        "restartCount": restarts,
        "state": {state: details},
        "lastState": {},
    }


def crashed(message: str, restarts: int = 3) -> Object:
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}
    return {**container("waiting", restarts=restarts, reason="CrashLoopBackOff"), "lastState": last}


def ended(message: str, exit_code: int = 1, name: str = "schema") -> Object:
    return container("terminated", name=name, exitCode=exit_code, reason="Error", message=message)
