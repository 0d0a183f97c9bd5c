# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Charts as inline SVG, for pages that must work without a network. Colours are CSS variables of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 22


@dataclass(frozen=True)
class Line:
    """One line of a chart; C(points) are (x, y), and None as y leaves a gap. C(role) names the CSS colour."""

    label: str
    points: Sequence[tuple[float, float | None]]
    role: str
    filled: bool = False


@dataclass(frozen=True)
class Range:
    """One row of a chart of ranges: the marks of its values, and a limit where there is one."""

    label: str
    p50: float
    p95: float
    p99: float
    limit: float | None = None
    ok: bool = True


def lines(
    title: str, drawn: Sequence[Line], unit: str = "", width: int = 520, height: int = 190, of_time: str = "s"
) -> str:
    """Lines over time, with a legend where there are several.

    :param of_time: the unit of x.
    """
    known = [(x, y) for line in drawn for x, y in line.points if y is not None]
    if not known:
        return _empty(title)
    right = max(max(x for x, _y in known), 1.0)
    ticks = _ticks(max(max(y for _x, y in known), 1e-3))
    top = ticks[-1]
    inner_width, inner_height = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def place_x(x: float) -> float:
        return _LEFT + x / right * inner_width

    def place_y(y: float) -> float:
        return _TOP + (1 - y / top) * inner_height

    parts = [_svg(title, width, height)]
    for tick in ticks:
        y = place_y(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    for tick in _ticks(right, 6):
        if tick <= right * 1.001:
            x = place_x(tick)
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{height - 6}" text-anchor="middle">{_short(tick)} {of_time}</text>'
            )
    for line in drawn:
        for stretch in _stretches(line.points):
            path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in stretch)
            if line.filled:
                base = place_y(0)
                ends = f"{place_x(stretch[0][0]):.1f},{base:.1f} {path} {place_x(stretch[-1][0]):.1f},{base:.1f}"
                parts.append(f'<polygon points="{ends}" style="fill:var(--{line.role});opacity:.12"/>')
            parts.append(f'<polyline class="line" points="{path}" style="stroke:var(--{line.role})"/>')
    parts.append("</svg>")
    return _figure(title, unit, "".join(parts), drawn if len(drawn) > 1 else ())


def ranges(title: str, rows: Sequence[Range], width: int = 1060) -> str:
    """p50, p95 and p99 of each row in ms on a logarithmic scale, with the limit of its objective."""
    if not rows:
        return _empty(title)
    left, right, row_height, top = 220, 70, 24, 6
    height = top + row_height * len(rows) + 24
    low = 10 ** math.floor(math.log10(max(min(row.p50 for row in rows), 1)))
    high = 10 ** math.ceil(math.log10(max(max(row.p99, row.limit or 1, low * 10) for row in rows)))

    def place(value: float) -> float:
        share = math.log10(max(value, low) / low) / math.log10(high / low)
        return left + share * (width - left - right)

    parts = [_svg(title, width, height)]
    for exponent in range(round(math.log10(low)), round(math.log10(high)) + 1):
        x = place(10**exponent)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - 22}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - 6}" text-anchor="middle">{_time(10**exponent)}</text>'
        )
    for number, row in enumerate(rows):
        y = top + row_height * (number + 0.5)
        colour = "one" if row.ok else "bad"
        described = f"{row.label}: p50 {_time(row.p50)}, p95 {_time(row.p95)}, p99 {_time(row.p99)}"
        parts.append(f"<g><title>{escape(described)}</title>")
        parts.append(
            f'<text class="label" x="{left - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(row.label)}</text>'
        )
        parts.append(
            f'<line x1="{place(row.p50):.1f}" x2="{place(row.p99):.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'style="stroke:var(--{colour});stroke-width:3;opacity:.35;stroke-linecap:round"/>'
        )
        for value, radius in ((row.p50, 3.5), (row.p95, 5.0)):
            fill = f"var(--{colour})" if value == row.p95 or row.p50 == row.p95 else "var(--page)"
            parts.append(
                f'<circle cx="{place(value):.1f}" cy="{y:.1f}" r="{radius}" '
                f'style="fill:{fill};stroke:var(--{colour});stroke-width:2"/>'
            )
        if row.limit is not None:
            x = place(row.limit)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8:.1f}" y2="{y + 8:.1f}" '
                f'style="stroke:var(--{"good" if row.ok else "bad"});stroke-width:2"/>'
            )
        parts.append(f'<text class="tick" x="{place(row.p99) + 10:.1f}" y="{y + 4:.1f}">{_time(row.p95)}</text></g>')
    parts.append("</svg>")
    return _figure(title, "", "".join(parts), ())


def bars(title: str, values: Sequence[tuple[str, float]], unit: str = "", width: int = 520) -> str:
    """One horizontal bar for each label."""
    if not values:
        return _empty(title)
    drawn, height = _bars(values, width)
    return _figure(title, unit, f"{_svg(title, width, height)}{drawn}</svg>", ())


def picture(title: str, charts: Sequence[tuple[str, Sequence[tuple[str, float]]]], style: str, width: int = 620) -> str:
    """Bars one below the other in a file of their own, for Markdown, where a page's style does not reach."""
    parts, y = [], 0
    for name, values in charts:
        drawn, height = _bars(values, width)
        parts.append(f'<text class="label" x="10" y="{y + 24}" font-weight="600">{escape(name)}</text>')
        parts.append(f'<g transform="translate(0 {y + 34})">{drawn}</g>')
        y += height + 44
    file = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}"'
    opening = _svg(title, width, y).replace("<svg", file, 1)
    back = f'<rect width="{width}" height="{y}" style="fill:var(--page)"/>'
    return f"{opening}<style>{style} text{{font-family:sans-serif}}</style>{back}{''.join(parts)}</svg>\n"


def _bars(values: Sequence[tuple[str, float]], width: int) -> tuple[str, int]:
    """The bars, and how high they are together."""
    left, right, row_height, top = 150, 70, 28, 4
    most = max([value for _label, value in values], default=0) or 1e-9
    parts = []
    for number, (label, value) in enumerate(values):
        y = top + row_height * number
        long = max(value / most * (width - left - right), 1)
        parts.append(
            f'<text class="label" x="{left - 10}" y="{y + 18}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{left}" y="{y + 4}" width="{long:.1f}" height="20" rx="3" style="fill:var(--one)"/>'
            f'<text class="label" x="{left + long + 8:.1f}" y="{y + 18}">{value:.4g}</text>'
        )
    return "".join(parts), top + row_height * len(values) + 4


def _figure(title: str, unit: str, svg: str, legend: Sequence[Line]) -> str:
    named = "".join(
        f'<span class="key"><i style="background:var(--{line.role})"></i>{escape(line.label)}</span>' for line in legend
    )
    small = f' <span class="unit">{escape(unit)}</span>' if unit else ""
    return f"<figure><figcaption>{escape(title)}{small}{named}</figcaption>{svg}</figure>"


def _empty(title: str) -> str:
    return f'<figure><figcaption>{escape(title)}</figcaption><p class="quiet">Nothing was measured.</p></figure>'


def _svg(title: str, width: int, height: int) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'


def _stretches(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The points between gaps."""
    found: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            found.append([])
        else:
            found[-1].append((x, y))
    return [stretch for stretch in found if stretch]


def _ticks(highest: float, most: int = 4) -> list[float]:
    """Round numbers from 0 up to at least the highest."""
    rough = max(highest, 1e-9) / most
    power: float = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step * 0.999) + 1)]


def _short(value: float) -> str:
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if suffix == 'k' else limit):g}{suffix}"
    return f"{value:g}" if value >= 1 or value == 0 else f"{value:.2g}"


def _time(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3g} s" if milliseconds >= 1000 else f"{milliseconds:.3g} ms"
