# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watches: objects of a cluster as they are now, told by the API server instead of being asked for again and again.

A watch ends often, and seldom means anything by it: after its time, when a connection is cut, when the API server is
restarted, or because what it was to go on from is too old. It goes on by itself then. Who may not watch, polls.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import Cluster, ClusterError, Forbidden, Gone

Object = dict[str, Any]

# After which the API server ends a watch, so that none outlives who asked for it by more.
_WATCH_SECONDS = 240
_POLL_SECONDS = 2.0
_RETRY_SECONDS = 1.0
# For how long the API server may be away.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Selection:
    """Objects that are watched: C(path) of their collection, what is asked for of it, and what is kept of each object:
    at least its C(metadata.name) and C(metadata.resourceVersion)."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[Object], Object] = field(default=lambda item: item)

    @classmethod
    def named(cls, path: str) -> Selection:
        """The one object of a path."""
        collection, _slash, name = path.rpartition("/")
        return cls(collection, {"fieldSelector": f"metadata.name={name}"})


class Watch:
    """Several selections at once, while the C(with) lasts.

    :raises ClusterError: what is to be watched cannot be listed.
    """

    def __init__(self, cluster: Cluster, selections: Mapping[str, Selection]) -> None:
        self._cluster, self._selections = cluster, dict(selections)
        self._seen: dict[str, dict[str, Object]] = {}
        self._changes: queue.SimpleQueue[tuple[str, str, Any]] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._close: dict[str, Callable[[], None]] = {}
        self._lines: list[str] = []
        # Watches that the API server has answered since they were begun.
        self._reached: set[str] = set()

    def __enter__(self) -> Watch:
        versions = {}
        for key, selection in self._selections.items():
            self._seen[key], versions[key] = self._list(selection)
        for key in self._selections:
            self._start(self._follow, key, versions[key])
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for close in list(self._close.values()):
            close()

    def objects(self, key: str) -> list[Object]:
        """Those of a selection, as they were after the last change that was told."""
        return list(self._seen[key].values())

    def change(self, seconds: float) -> bool:
        """Wait for the next change of anything that is watched, or line of a log, and take it in.

        :returns: False when there was none within that time.
        :raises ClusterError: the API server is away for too long, or refuses.
        """
        try:
            key, kind, told = self._changes.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            return False
        if kind == "ERROR":
            raise told
        if kind == "LINE":
            self._lines.append(told)
        elif kind == "LIST":
            self._seen[key] = told
        elif kind == "DELETED":
            self._seen[key].pop(told["metadata"]["name"], None)
        else:
            self._seen[key][told["metadata"]["name"]] = told
        return True

    def follow_log(self, namespace: str, pod: str, container: str) -> None:
        """Have what a container prints told line by line, as C(take_lines) returns it."""
        self._start(self._read_log, namespace, pod, container)

    def take_lines(self) -> list[str]:
        """The lines that were told since the last time."""
        taken, self._lines = self._lines, []
        return taken

    def _start(self, run: Callable[..., None], *arguments: str) -> None:
        threading.Thread(target=run, args=arguments, daemon=True).start()

    def _list(self, selection: Selection) -> tuple[dict[str, Object], str]:
        items: dict[str, Object] = {}
        version = ""
        for page in self._cluster.pages(selection.path, selection.query):
            items |= {item["metadata"]["name"]: selection.keep(item) for item in page.get("items") or []}
            version = str((page.get("metadata") or {}).get("resourceVersion", ""))
        return items, version

    def _follow(self, key: str, version: str) -> None:
        """Tell every change of a selection; runs in a thread of its own."""
        since: float | None = None
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                if not version:
                    seen, version = self._list(self._selections[key])
                    self._changes.put((key, "LIST", seen))
                for kind, told in self._events(key, version):
                    version = str(told["metadata"].get("resourceVersion", ""))
                    if kind != "BOOKMARK":
                        self._changes.put((key, kind, told))
                since = None
                # One that is ended at once, by a proxy for instance, must not be begun again in a tight loop.
                self._ended.wait(max(_RETRY_SECONDS - (time.monotonic() - began), 0.0))
            except Gone:
                version = ""
            except Forbidden:
                version = ""
                self._ended.wait(_POLL_SECONDS)
            except Exception as error:
                # It goes on from what was told last. One that was open, and was cut or silent, was no absence.
                since = time.monotonic() if since is None or key in self._reached else since
                self._reached.discard(key)
                if time.monotonic() - since > _PATIENCE_SECONDS:
                    self._changes.put((key, "ERROR", error))
                    return
                self._ended.wait(_RETRY_SECONDS)

    def _events(self, key: str, version: str) -> Iterator[tuple[str, Object]]:
        selection = self._selections[key]
        query = {
            **selection.query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        for event in self._cluster.watch(selection.path, query, lambda close: self._opened(key, close)):
            is_object = event["type"] != "BOOKMARK"
            yield event["type"], selection.keep(event["object"]) if is_object else event["object"]

    def _opened(self, key: str, close: Callable[[], None]) -> None:
        self._reached.add(key)
        self._close[key] = close
        if self._ended.is_set():
            close()

    def _read_log(self, namespace: str, pod: str, container: str) -> None:
        try:
            for line in self._cluster.follow_log(namespace, pod, container, lambda close: self._opened("log", close)):
                self._changes.put(("log", "LINE", line))
        except ClusterError:
            return  # who follows a log reads all of it in the end
