"""The dashboards that are shipped: their panels' queries, and the same drawn as a picture for the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import charts

from .playbooks import REPOSITORY

FOLDER = REPOSITORY / "docs" / "dashboards"
NAMES = ("server", "database", "usage", "registry", "backups", "fleet")
_STYLE = (
    "svg{--page:#fff;--ink:#222;--c0:#1f77b4;--c1:#d95f02;--c2:#2a9d55;--c3:#7a52a1;--c4:#999}"
    ".grid{stroke:#e3e3e3}.line{fill:none;stroke-width:1.6}"
    "text{font-family:sans-serif;font-size:11px;fill:#555}.title{font-size:13px;font-weight:600;fill:#222}"
)
_WIDTH, _HEIGHT, _HEAD = 520, 190, 42
# What the units of panels are drawn in.
_UNITS = {"percentunit": (100, "%"), "bytes": (1 / 2**30, "GiB"), "reqps": (1, "a second"), "s": (1, "s")}


@dataclass(frozen=True)
class Query:
    """One query of a panel. C(legend) has placeholders for labels."""

    dashboard: str
    panel: str
    kind: str
    unit: str
    legend: str
    expression: str

    def asked(self, namespace: str = ".*", deployment: str = ".*") -> str:
        """With the variables as Grafana fills them in."""
        variables = {"namespace": namespace, "deployment": deployment, "__rate_interval": "5m"}
        return re.sub(r"\$(\w+)", lambda name: variables[name[1]], self.expression)


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


def queries(name: str) -> Iterator[Query]:
    for panel in read(name)["panels"]:
        unit = panel["fieldConfig"]["defaults"].get("unit", "")
        for target in panel["targets"]:
            yield Query(name, panel["title"], panel["type"], unit, target["legendFormat"], target["expr"])


Over = Callable[[str], Sequence[Mapping[str, Any]]]


def picture(name: str, over: Over) -> str:
    """An SVG of the first panels of a dashboard that are lines.

    :param over: gives the series of a query over time, as Prometheus does.
    """
    panels: dict[str, list[Query]] = {}
    for query in queries(name):
        # What is recorded begins when the rules are loaded.
        if query.kind == "timeseries" and "deployment:" not in query.expression:
            panels.setdefault(query.panel, []).append(query)
    drawn = [_panel(title, asked, over) for title, asked in list(panels.items())[:4]]
    rows = (len(drawn) + 1) // 2
    width, height = 2 * _WIDTH, rows * (_HEIGHT + _HEAD)
    parts = [
        f'<g transform="translate({number % 2 * _WIDTH} {number // 2 * (_HEIGHT + _HEAD)})">{panel}</g>'
        for number, panel in enumerate(drawn)
    ]
    title = escape(str(read(name)["title"]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _panel(title: str, asked: list[Query], over: Over) -> str:
    factor, unit = _UNITS.get(asked[0].unit, (1, ""))
    lines = [
        charts.Line(label, [(at, value * factor) for at, value in points], f"c{number % 5}")
        for number, (label, points) in enumerate(_lines(asked, over))
    ]
    assert lines, title
    svg = re.findall(r"<svg.*</svg>", charts.lines(title, lines, unit, _WIDTH, _HEIGHT, "h"), re.DOTALL)[0]
    chart = svg.replace("<svg", f'<svg y="{_HEAD}" width="{_WIDTH}" height="{_HEIGHT}"', 1)
    keys, x = [], 10
    for line in lines:
        keys.append(f'<rect x="{x}" y="28" width="10" height="4" style="fill:var(--{line.role})"/>')
        keys.append(f'<text x="{x + 14}" y="34">{escape(line.label)}</text>')
        x += 26 + 6 * len(line.label)
    named = escape(f"{title}, {unit}" if unit else title)
    return f'<text class="title" x="10" y="18">{named}</text>{"".join(keys)}{chart}'


def _lines(asked: list[Query], over: Over) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Label and points (hours, value) of at most five series."""
    found = []
    for query in asked:
        for series in over(query.asked()):
            label = query.legend
            for name in re.findall(r"{{(\w+)}}", label):
                label = label.replace(f"{{{{{name}}}}}", series["metric"].get(name, ""))
            start = float(series["values"][0][0])
            points = [((float(at) - start) / 3600, float(value)) for at, value in series["values"]]
            found.append((label, points))
    yield from sorted(found)[:5]


def written(name: str, drawn: str, update: bool) -> bool:
    """Whether the picture in the docs is this one; it is made so where that is asked for."""
    file = Path(FOLDER / f"{name}.svg")
    if update:
        file.write_text(drawn)
    return file.exists() and file.read_text() == drawn
