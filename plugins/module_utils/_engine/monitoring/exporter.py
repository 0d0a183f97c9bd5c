# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""C(mlflow-ops export): answers Prometheus from what was measured last, and never by measuring."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

from ..errors import BadInput, MissingLibrary
from ..progress import Say
from . import readings
from .cache import Cache
from .metrics import Sample, families
from .settings import Settings


class _Collector:
    """What the library asks at each scrape."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        self._cache = cache
        self._info = Sample("info", 1.0, (settings.version, settings.platform, settings.profile))

    def collect(self) -> Iterator[Any]:
        yield from families([self._info, *self._cache.samples()])


def serve(settings: Settings, say: Say) -> None:
    """Answer scrapes until SIGTERM or SIGINT.

    :raises BadInput: nothing can listen there.
    """
    client = _library()
    cache = Cache(readings.parts(settings), say)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_received: ended.set())
    try:
        server, _thread = client.start_http_server(settings.port, settings.listen, _registry(cache, settings))
    except OSError as error:
        raise BadInput(
            f"Nothing can listen on port {settings.port} of {settings.listen} ({error.strerror}): set "
            f"mlflow_monitoring_port to one that is free."
        ) from error
    say(f"answers on {settings.listen}:{settings.port}, measures {', '.join(part.name for part in cache.parts)}")
    cache.start()
    ended.wait()
    cache.stop()
    server.shutdown()


def once(settings: Settings, say: Say) -> str:
    """Measure everything now; what a scrape would be answered with."""
    client = _library()
    cache = Cache(readings.parts(settings), say)
    for part in cache.parts:
        cache.refresh(part)
    return str(client.generate_latest(_registry(cache, settings)).decode())


def _registry(cache: Cache, settings: Settings) -> Any:
    registry = _library().CollectorRegistry()
    registry.register(_Collector(cache, settings))
    return registry


def _library() -> Any:
    try:
        import prometheus_client
    except ImportError as error:
        raise MissingLibrary("prometheus_client", "export metrics") from error
    return prometheus_client
