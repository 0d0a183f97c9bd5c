# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application that gunicorn serves in the profile throughput: MLflow's own, with transfers apart from the API.

A thread of gunicorn is taken as long as its client sends or reads. With two threads a worker, which is what the API is
fastest with, four clients with slow lines stop everything, C(/health) too. So gunicorn gets many threads, which cost
little while they wait, and as many of them as before work at the same time: a request of the API is read whole before
it takes its turn, and gives it back before its answer is sent. Uploads and downloads of artifacts need no turn, because
they mostly wait; there is room for so many of them, and the next one is told to come again.

One file, standard library only: it is copied to hosts and images, and gunicorn imports it by its name. The worker that
serves it, C(Worker), is gunicorn's own but for one thing, and is made when gunicorn asks for it by this name.
"""

from __future__ import annotations

import importlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# What moves files: the artifact proxy, and what the web page shows and uploads.
_TRANSFER = re.compile(r"/mlflow-artifacts/|/(get-artifact|get-trace-artifact|upload-artifact)$|/artifacts/files$")
# Bytes of a request that stay in memory while it is read; what is longer is on disk meanwhile.
_IN_MEMORY = 1 << 20

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def __getattr__(name: str) -> Any:
    if name != "Worker":
        raise AttributeError(name)
    from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

    class Worker(ThreadWorker):
        """What an application leaves of a request, as of an upload that it refuses, is taken once the answer is sent.

        A client that is quick has sent its next request by then, and both are read at once. gunicorn 26 waits then for
        something to read, while all of it is read: the client would wait for as long as connections are kept.
        """

        def finish_request(self, *given: Any) -> None:
            # Older versions of MLflow bring an older gunicorn, which is given one thing and waits in another way.
            if len(given) == 2 and self.alive and _kept(given[1]) and _read_ahead(given[0]):
                self.enqueue_req(given[0])
            else:
                super().finish_request(*given)

    return Worker


def _kept(done: Any) -> bool:
    """Whether a request has ended in such a way that its connection is kept."""
    return not done.cancelled() and not done.exception() and done.result() is True


def _read_ahead(conn: Any) -> bool:
    """Whether bytes of the next request of a connection are read already."""
    buffered = getattr(getattr(conn.parser, "unreader", None), "buf", None)
    return bool(buffered and buffered.getvalue())


def application(module: str, name: str, threads: int, transfers: int) -> Application:
    """MLflow's application from C(module), of which at most C(threads) requests of the API work at once.

    :param name: of the application; with () behind it, of a function that makes it.
    :param transfers: uploads and downloads that may be under way at once.
    """
    found = getattr(importlib.import_module(module), name.removesuffix("()"))
    return Apart(found() if name.endswith("()") else found, threads, transfers)


class Apart:
    def __init__(self, served: Application, threads: int, transfers: int) -> None:
        self.served = served
        self._turns = threading.Semaphore(threads)
        self._transfers = threading.Semaphore(transfers)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.endswith("/health"):
            return self.served(environ, start_response)
        if _TRANSFER.search(path):
            return self._transfer(environ, start_response)
        with _whole(environ) as body:
            environ["wsgi.input"] = body
            with self._turns:
                return self.served(environ, start_response)

    def _transfer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not self._transfers.acquire(blocking=False):
            said = b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Too many uploads and downloads at once."}'
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(said))), ("Retry-After", "2")]
            start_response("503 Service Unavailable", headers)
            return [said]
        try:
            answer = self.served(environ, start_response)
        except BaseException:
            self._transfers.release()
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(answer, wrapper):
            # Sent by the kernel, which only an answer of exactly that kind is: counted until it is closed.
            close = getattr(answer, "close", None)
            answer.close = _once(self._transfers.release, close)  # type: ignore[attr-defined]
            return answer
        return _Counted(answer, _once(self._transfers.release, getattr(answer, "close", None)))


class _Counted:
    """An answer that says when it was sent."""

    def __init__(self, answer: Iterable[bytes], close: Callable[[], None]) -> None:
        self._answer = answer
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)


def _once(release: Callable[[], None], close: Callable[[], None] | None) -> Callable[[], None]:
    left = [True]

    def both() -> None:
        if left and left.pop():
            release()
        if close:
            close()

    return both


def _whole(environ: dict[str, Any]) -> Any:
    """The body of a request, read from its client to the end."""
    body = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - who asked closes it
    try:
        while block := environ["wsgi.input"].read(64 << 10):
            body.write(block)
        body.seek(0)
    except BaseException:
        body.close()
        raise
    return body
