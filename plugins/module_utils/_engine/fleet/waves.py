# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waves: what differs is applied to so many instances at a time, and the next ones wait until these are ready.

Where a wave does not get ready, the roll-out stops: the instances behind it have what they had. The next run begins
with those that are as declared already, so that it does not go past a wave that is not ready still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..kubernetes import kinds
from ..progress import Say
from .comparison import Work
from .declaration import Instance

_INITIAL_SCALE = "autoscaling.knative.dev/initial-scale"
# By instance, why it failed.
Failures = dict[str, str]


@dataclass
class RollOut:
    """What became of it. C(begun) are the waves that were begun of C(waves); C(untried) the instances of the others."""

    waves: int
    begun: int = 0
    failures: Failures = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


def errors(objects: Sequence[Mapping[str, Any]], size: int, tolerated: int, wait_seconds: float) -> list[str]:
    """Why these objects cannot be rolled out in waves."""
    if size < 0 or tolerated < 0:
        return [f"wave is {size} and wave_failures is {tolerated}; both must be 0 or more."]
    if not size:
        return []
    sleeping = [item["metadata"]["name"] for item in objects if _starts_none(item)]
    return [
        *(["wave needs wait_timeout: without waiting nothing is known of a wave."] if not wait_seconds else []),
        *(
            f"wave needs servers that start: {name} would be ready with none, whatever its image and settings are. Set "
            f"mlflow_server_initial_replicas to 1."
            for name in sleeping
        ),
    ]


def _starts_none(item: Mapping[str, Any]) -> bool:
    """Whether Knative calls it ready before a server of it was."""
    if kinds.name_of(item) != kinds.KNATIVE_SERVICE:
        return False
    metadata = item["spec"]["template"].get("metadata") or {}
    return str((metadata.get("annotations") or {}).get(_INITIAL_SCALE, "")) == "0"


def roll_out(
    works: Sequence[Work],
    settled: Sequence[Instance],
    *,
    size: int,
    tolerated: int,
    apply: Callable[[Sequence[Work]], Failures],
    wait: Callable[[Sequence[Instance]], Failures],
    say: Say,
) -> RollOut:
    """Apply what differs, and wait for it.

    :param settled: instances that are as declared. They must be ready before anything else is changed.
    :param size: of a wave; 0 is all at once, whatever fails.
    :param tolerated: so many failures stop nothing.
    """
    waves = [works[start : start + (size or len(works))] for start in range(0, len(works), size or len(works) or 1)]
    found = RollOut(len(waves))
    if size and waves:
        found.failures |= wait(settled)
    for number, wave in enumerate(waves):
        if size and len(found.failures) > tolerated:
            found.untried = [work.instance.name for left in waves[number:] for work in left]
            break
        if size:
            say(f"wave {number + 1} of {len(waves)}: {wave[0].instance.name} to {wave[-1].instance.name}")
        found.begun += 1
        refused = apply(wave)
        found.failures |= refused
        found.failures |= wait([work.instance for work in wave if work.instance.name not in refused])
    return found
