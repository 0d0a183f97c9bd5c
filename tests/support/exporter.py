"""What a scrape of C(mlflow-ops export) says, wherever it runs."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.monitoring.metrics import METRICS, PREFIX
from prometheus_client.parser import text_string_to_metric_families

# By the name without its prefix and the values of its labels.
Values = dict[tuple[str, tuple[str, ...]], float]


def parsed(text: str) -> Values:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            found[name, tuple(sample.labels[label] for label in METRICS[name][0])] = sample.value
    return found


def scrape(url: str) -> Values:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return parsed(answer.read().decode())


def until(ask: Callable[[], Values], holds: Callable[[Values], bool], seconds: float = 180) -> Values:
    """The first scrape of which that holds."""
    end, values, why = time.monotonic() + seconds, {}, ""
    while time.monotonic() < end:
        try:
            values = ask()
            if holds(values):
                return values
        except OSError as error:
            why = str(error)
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:.0f} s: {why} {values}")


def measured(*parts: str) -> Callable[[Values], bool]:
    """Whether each of these parts was measured at least once."""
    return lambda values: set(parts) <= {labels[0] for name, labels in values if name == "collection_success"}


def unmeasured(values: Values) -> set[str]:
    return {labels[0] for (name, labels), value in values.items() if name == "collection_success" and not value}
