# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cluster: one inspection of a Kubernetes, waiting for a roll-out with the reason when it fails, commands in pods.

Works on the API's own JSON, so that any version's answer is understood. The client comes from outside, because who
asks (a module, a test) knows how to log in.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import EngineError, one_line
from ..progress import Say

# Of what a command logs, its end tells why it failed.
_KEPT_CHARACTERS = 1 << 18
# Of what is the result of an operation.
_LONGEST_ANSWER = 64 << 20

KIND_PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
    "Job": "/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
    "KnativeService": "/apis/serving.knative.dev/v1/namespaces/{namespace}/services/{name}",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}",
}


_JSON = "application/json"
# Of a list, what is asked for where names and marks are enough: no Secret is read then, and little is sent.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# Carries out a request: at once, or again and again.
Attempt = Callable[[Callable[[], Any]], Any]
# Makes something of the text of an answer.
Read = Callable[[bytes], dict[str, Any]]
# Is called with what ends a response.
Opened = Callable[[Callable[[], None]], None]


class ClusterError(EngineError):
    """The cluster cannot be reached, refuses, or what was deployed does not come up."""


class Conflict(ClusterError):
    """What was to be created exists, or what was to be changed is another one by now."""


class Forbidden(ClusterError):
    """Whoever asks may not do that."""


class Gone(ClusterError):
    """What a watch or a list was to go on from is too old: it has to begin anew."""


class Unavailable(ClusterError):
    """The API server does not answer, cannot now, or asks for patience: the same request may succeed later.

    C(seconds) is for how long it asks to be left alone; None where it says nothing, as one that does not answer.
    """

    seconds: float | None = None


_KINDS_OF_ERROR = {403: Forbidden, 409: Conflict, 410: Gone, **dict.fromkeys((429, 500, 502, 503, 504), Unavailable)}
# Of a list that is read in parts.
_PAGE = 500
# That are kept: so many threads can ask at once.
CONNECTIONS = 32
# Seconds until the API server answers, and for a watch: without a word, after which the connection counts as cut.
_ANSWER_SECONDS = 20.0
_SILENCE_SECONDS = 90.0


class Cluster:
    """A thin client of one cluster's API. C(api) is a C(kubernetes.client.ApiClient)."""

    def __init__(self, api: Any) -> None:
        self._api = api

    @property
    def address(self) -> str:
        return str(self._api.configuration.host)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """One GET; None where there is nothing.

        :raises ClusterError: no answer, or a refusal.
        """
        return self.call("GET", path, query=query)

    def items(self, path: str, query: Mapping[str, str] | None = None, accept: str = _JSON) -> list[dict[str, Any]]:
        return list((self.call("GET", path, query=query, accept=accept) or {}).get("items") or [])

    def pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        attempt: Attempt = lambda request: request(),
        read: Read = json.loads,
    ) -> Iterator[dict[str, Any]]:
        """A list in parts, so that one of many objects is nowhere held as a whole; nothing where there is no such kind.

        :param attempt: carries out the request of each part.
        :param read: makes something of what is answered.
        :raises Gone: it took too long to read, and has to begin anew.
        :raises ClusterError: no answer, or a refusal.
        """
        more = ""
        while True:
            asked = {**(query or {}), "limit": str(_PAGE), **({"continue": more} if more else {})}
            page = attempt(partial(self.call, "GET", path, query=asked, accept=accept, read=read))
            if page is None:
                return
            yield page
            more = str((page.get("metadata") or {}).get("continue") or "")
            if not more:
                return

    def may(self, namespace: str, verb: str, group: str, resource: str) -> bool:
        """Whether whoever asks may do that in the namespace, or, with none, in the whole cluster."""
        attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review) or {}
        return bool((answer.get("status") or {}).get("allowed"))

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
        read: Read = json.loads,
    ) -> dict[str, Any] | None:
        """One request; None where there is nothing.

        :param read: makes something of what is answered.
        :raises Conflict: what was to be created exists.
        :raises Forbidden: whoever asks may not do that.
        :raises ClusterError: no answer, or another refusal.
        """
        try:
            answer = self._open(method, path, body, query, accept, content_type)
        except Exception as error:
            if getattr(error, "status", None) == 404:
                return None
            raise self._error(method, path, error) from error
        return dict(read(answer.data))

    def apply(self, path: str, item: Mapping[str, Any], manager: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Apply one object server-side, with force, and return what became, or would become, of it.

        :raises ClusterError: no answer, or a refusal.
        """
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        try:
            answer = self._open("PATCH", path, dict(item), query, content_type="application/apply-patch+yaml")
        except Exception as error:
            raise self._error("PATCH", path, error) from error
        return dict(json.loads(answer.data))

    def _open(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
        content_type: str = _JSON,
        timeout: float | tuple[float, float | None] = _ANSWER_SECONDS,
    ) -> Any:
        """The response, not read yet."""
        return self._api.call_api(
            path,
            method,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=timeout,
        )

    def _error(self, method: str, path: str, error: Exception) -> ClusterError:
        if status := getattr(error, "status", None):
            message = _message_of(getattr(error, "body", ""))
            kind = _KINDS_OF_ERROR.get(status, ClusterError)
            refused = kind(f"The cluster at {self.address} refused {method} {path}: {message}")
            if isinstance(refused, Unavailable):
                refused.seconds = _retry_after(error)
            return refused
        cause = str(error).rsplit("(Caused by ", maxsplit=1)[-1].rstrip(")")
        return Unavailable(
            f"The cluster at {self.address} cannot be reached: {cause}. Is it running, and do kubeconfig and "
            f"context name the right one?"
        )

    def watch(self, path: str, query: Mapping[str, str], opened: Opened) -> Iterator[dict[str, Any]]:
        """The events of a watch, until it ends: C(type) and C(object).

        :param opened: is called with what ends the watch at once, from any thread.
        :raises Gone: it has to begin anew.
        :raises Forbidden: whoever asks may not watch.
        :raises ClusterError: the connection was cut, or the API server refuses.
        """
        for line in self._lines("GET", path, query, opened):
            event = json.loads(line)
            if event["type"] == "ERROR":
                kind = _KINDS_OF_ERROR.get(event["object"].get("code"), ClusterError)
                raise kind(f"The watch of {path} ended: {event['object'].get('message', 'no reason was given')}")
            yield event

    def follow_log(self, namespace: str, pod: str, container: str, opened: Opened) -> Iterator[str]:
        """What a container prints, line by line, until it ends.

        :raises ClusterError: it has not started yet, or the connection was cut.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        yield from self._lines("GET", path, {"container": container, "follow": "true"}, opened, silence=None)

    def _lines(
        self, method: str, path: str, query: Mapping[str, str], opened: Opened, silence: float | None = _SILENCE_SECONDS
    ) -> Iterator[str]:
        rest = b""
        try:
            timeout = (_ANSWER_SECONDS, silence)
            answer = self._open(method, path, query=query, accept="*/*", timeout=timeout)
            # Only a shut-down, not a close, ends a read that another thread is waiting in.
            opened(lambda: _shut(answer))
            for chunk in answer.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
        except Exception as error:
            raise self._error(method, path, error) from error
        if rest:
            yield rest.decode("utf-8", "replace")

    def log(self, namespace: str, pod: str, container: str) -> str:
        """What a container has printed so far; empty while there is nothing.

        :raises ClusterError: no answer.
        """
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException

        try:
            answer = CoreV1Api(self._api).read_namespaced_pod_log(
                pod, namespace, container=container, _preload_content=False, _request_timeout=60
            )
        except ApiException as error:
            if error.status in (400, 404):  # it has not started yet
                return ""
            raise ClusterError(f"The log of pod {namespace}/{pod} cannot be read: {error.reason}.") from error
        except Exception as error:
            raise ClusterError(f"The log of pod {namespace}/{pod} cannot be read: {error}.") from error
        return bytes(answer.data).decode("utf-8", "replace")

    def converse(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], line: str, timeout: float, say: Say
    ) -> str:
        """Run a command in a container, give it one line, and return what it printed on standard output.

        Standard input stays open until it ends, so that it can tell when we are gone. What it prints on standard error
        goes to C(say), line by line, and behind the output.

        :raises ClusterError: it could not be run, or did not end within C(timeout) seconds.
        """
        opened = self._exec(namespace, pod, container, argv, stdin=True)
        printed, logged, rest = "", "", ""
        end = time.monotonic() + timeout
        try:
            opened.write_stdin(line)
            running = True
            while running:
                running = opened.is_open()
                opened.update(timeout=1)
                printed += opened.read_stdout(timeout=0)
                if len(printed) > _LONGEST_ANSWER:
                    raise ClusterError(f"{argv[0]} in pod {namespace}/{pod} says without end what is no result.")
                *lines, rest = (rest + opened.read_stderr(timeout=0)).split("\n")
                for one in filter(None, lines):
                    say(one)
                logged = (logged + "".join(f"{one}\n" for one in lines))[-_KEPT_CHARACTERS:]
                if running and time.monotonic() > end:
                    where = f"{' '.join(argv[:2])} in pod {namespace}/{pod}"
                    raise ClusterError(f"{where} did not end within {timeout:.0f} s.")
        except ClusterError:
            raise
        except Exception as error:
            raise ClusterError(f"A command in pod {namespace}/{pod} failed: {_message_of(str(error))}") from error
        finally:
            opened.close()
        return f"{logged}{rest}\n{printed}"

    @contextlib.contextmanager
    def attached(self, namespace: str, pod: str, container: str) -> Iterator[Callable[[str], None]]:
        """What writes to the standard input of a container that has one.

        :raises ClusterError: it does not run, or the connection was cut.
        """
        opened = self._stream("attach", namespace, pod, container=container, stdin=True, stdout=False, stderr=False)

        def write(text: str) -> None:
            try:
                opened.update(timeout=0)
                if not opened.is_open():
                    raise ClusterError(f"The connection to pod {namespace}/{pod} was closed.")
                opened.write_stdin(text)
            except ClusterError:
                raise
            except Exception as error:
                raise ClusterError(f"The connection to pod {namespace}/{pod} was cut: {error}") from error

        try:
            yield write
        finally:
            opened.close()

    def _exec(self, namespace: str, pod: str, container: str, argv: Sequence[str], *, stdin: bool) -> Any:
        command = list(argv)
        return self._stream(
            "exec", namespace, pod, container=container, command=command, stdin=stdin, stdout=True, stderr=True
        )

    def _stream(self, what: str, namespace: str, pod: str, **options: Any) -> Any:
        from kubernetes.client import ApiClient, CoreV1Api
        from kubernetes.stream import stream

        # stream() changes the client it works with: it gets one of its own.
        core = CoreV1Api(ApiClient(configuration=self._api.configuration))
        connect = core.connect_get_namespaced_pod_exec if what == "exec" else core.connect_get_namespaced_pod_attach
        try:
            return stream(connect, pod, namespace, tty=False, _preload_content=False, **options)
        except Exception as error:
            message = _message_of(str(error))
            raise ClusterError(f"A command in pod {namespace}/{pod} failed: {message}") from error

    def execute(self, namespace: str, pod: str, container: str, argv: Sequence[str], timeout: float) -> str:
        """Run a command in a container and return what it printed, whatever its exit status was."""
        opened = self._exec(namespace, pod, container, argv, stdin=False)
        try:
            opened.run_forever(timeout=timeout)
            said = str(opened.read_all())
            finished = not opened.is_open()
            opened.close()
        except Exception as error:
            raise ClusterError(f"A command in pod {namespace}/{pod} failed: {_message_of(str(error))}") from error
        if not finished:
            raise ClusterError(f"{' '.join(argv[:2])} in pod {namespace}/{pod} did not end within {timeout:.0f} s.")
        return said


def _retry_after(error: Exception) -> float | None:
    text = str((getattr(error, "headers", None) or {}).get("Retry-After") or "")
    return float(text) if text.isdigit() else None


def _message_of(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return one_line(body, 300)


def _shut(answer: Any) -> None:
    """End who reads an answer. What was read to its end has given its connection back, and needs nothing."""
    with contextlib.suppress(AttributeError, RuntimeError, ValueError):
        answer.shutdown()
