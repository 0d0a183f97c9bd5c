# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Applying: several instances at once, each object with one request, and one that fails leaves the others alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..errors import EngineError
from ..kubernetes import manifests
from ..kubernetes.client import Cluster, ClusterError
from ..progress import Now, Say
from .comparison import Work
from .existing import Found, Key
from .patience import Patience
from .rendering import Template

T = TypeVar("T")
# Where so many failed and none succeeded, the others would fail for the same reason.
_HOPELESS = 20


def apply(
    cluster: Cluster, works: Sequence[Work], paths: Mapping[Key, str], patience: Patience, concurrency: int, say: Say
) -> dict[str, str]:
    """Apply what differs.

    :returns: of the instances that failed, why. Of these the objects before stand, and those behind were not tried.
    """

    def one(work: Work) -> None:
        for template, found in work.objects:
            _apply(cluster, paths[template.key], template, work, found, patience)

    return _each(works, lambda work: work.instance.name, one, concurrency, "instances applied", say)


def remove(
    cluster: Cluster, objects: Sequence[Found], paths: Mapping[Key, str], patience: Patience, concurrency: int, say: Say
) -> dict[str, str]:
    """Remove objects, and nothing that came under their names since.

    :returns: of the objects that failed, why.
    """

    def one(found: Found) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": found.uid}}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        patience.run(lambda: cluster.call("DELETE", f"{paths[found.key]}/{found.name}", body))

    return _each(objects, str, one, concurrency, "objects removed", say)


def _apply(
    cluster: Cluster, collection: str, template: Template, work: Work, found: Found | None, patience: Patience
) -> None:
    if found and found.leaving:
        raise ClusterError(f"{found} is being removed: run this again when it is gone.")
    item = template.item(work.instance)
    if found:
        # Another object that came under this name since is refused.
        item["metadata"]["uid"] = found.uid
    path = f"{collection}/{template.name(work.instance)}"
    patience.run(lambda: cluster.apply(path, item, manifests.MANAGER))


def _each(
    things: Sequence[T], name: Callable[[T], str], act: Callable[[T], None], concurrency: int, what: str, say: Say
) -> dict[str, str]:
    """Do the same with all, several at once; returns errors by name."""
    errors: dict[str, str] = {}
    lock, now, done = threading.Lock(), Now(say), 0

    def run(thing: T) -> None:
        nonlocal done
        with lock:
            hopeless = done == len(errors) >= _HOPELESS
        error = f"it was not tried, because the first {_HOPELESS} failed" if hopeless else ""
        try:
            if not hopeless:
                act(thing)
        except EngineError as raised:
            error = str(raised)
        with lock:
            done += 1
            if error:
                errors[name(thing)] = error
            now(lambda: f"{done} of {len(things)} {what}" + (f", {len(errors)} failed" if errors else ""))

    pool = ThreadPoolExecutor(max_workers=concurrency)
    try:
        list(pool.map(run, things))
    finally:
        # Who interrupts does not wait for all that has not begun.
        pool.shutdown(cancel_futures=True)
    return {key: errors[key] for key in map(name, things) if key in errors}
