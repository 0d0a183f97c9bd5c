# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling an operation in a Job that whoever asked still waits for it. A Job would outlive who was killed.

On hosts and compose the closed standard input tells it. Through an API server a connection is cut for less than the
end of whoever asked, a restart of the API server for instance: the operation ends itself only after a silence.
"""

from __future__ import annotations

import contextlib
import threading

from .client import Cluster, ClusterError

# After which an operation takes it that nobody waits any more: as long as a watch puts up with an absent API server.
SILENCE_SECONDS = 60
_BEAT_SECONDS = 5.0
_RETRY_SECONDS = 1.0


class Attendance:
    """While the C(with) lasts, the containers that it was told of are told that we are here."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._ended = threading.Event()

    def __enter__(self) -> Attendance:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()

    def of(self, pod: str, container: str) -> None:
        """Tell this one too, from now on."""
        threading.Thread(target=self._tell, args=(pod, container), daemon=True).start()

    def _tell(self, pod: str, container: str) -> None:
        while not self._ended.is_set():
            # Whether it still runs is not our business here: the watch tells that.
            with contextlib.suppress(ClusterError), self._cluster.attached(self._namespace, pod, container) as write:
                while not self._ended.is_set():
                    write("\n")
                    self._ended.wait(_BEAT_SECONDS)
            self._ended.wait(_RETRY_SECONDS)
