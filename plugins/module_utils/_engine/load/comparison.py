# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The comparison of deployments: what the stages left in their folders, side by side in one report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Any

from ..errors import BadInput
from . import charts, verdict
from .report import COLOURS, STYLE

FILES = {"json": "benchmark.json", "markdown": "benchmark.md", "html": "benchmark.html", "picture": "benchmark.svg"}
_MIB = 1024**2
# Characters of a reason in the table of stages; the sentence has more of it.
_CELL = 90
# A value in what a failed task shows, over as many lines as it has.
_KEY = r"^\s*{}: (.*(?:\n\s{{6,}}\S.*)*)"


@dataclass(frozen=True)
class Compared:
    """One target. A part is empty where its stage did not get so far; times are seconds, sizes bytes."""

    name: str
    stages: list[dict[str, Any]]
    size: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    load: dict[str, Any] = field(default_factory=dict)
    fault: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, Any] | None:
        """The first stage that failed: why the stages after it, up to the removal, were not taken."""
        return next((stage for stage in self.stages if not stage["ok"]), None)

    def seconds(self, stage: str) -> float | None:
        return next((one["seconds"] for one in self.stages if one["name"] == stage and one["ok"]), None)

    def trained(self, stage: str) -> float | None:
        return self.training.get("stages", {}).get(stage)

    def artifact(self, size: int, way: str) -> float | None:
        """MiB per second of one artifact of that size, C(way) put or get."""
        for one in self.training.get("artifacts", []):
            if one["bytes"] == size and one[f"{way}_seconds"] > 0:
                return float(size / _MIB / one[f"{way}_seconds"])
        return None

    def total(self, key: str) -> float | None:
        return self.load.get("total", {}).get(key)

    @property
    def memory(self) -> float | None:
        """MiB of the servers together, at most."""
        measured = [one["memory_peak_bytes"] for one in self.load.get("servers", []) if one["measured"]]
        return sum(measured) / _MIB if measured else None

    @property
    def programs(self) -> float | None:
        """MiB of images or of the installed environment."""
        return self.size["bytes"] / _MIB if self.size else None


@dataclass(frozen=True)
class Row:
    """One measure of all targets. C(digits) after the point; C(drawn): as a chart, too."""

    label: str
    value: Callable[[Compared], float | None]
    unit: str
    digits: int = 1
    drawn: bool = False

    def text(self, target: Compared) -> str:
        value = self.value(target)
        return "-" if value is None else f"{value:.{self.digits}f}"


ROWS = (
    Row("From nothing to ready", lambda one: one.seconds("deploy"), "s", drawn=True),
    Row("Linear regression, logged", lambda one: one.trained("linear regression"), "s"),
    Row("Random forest, logged", lambda one: one.trained("random forest"), "s", drawn=True),
    Row("Model registered and loaded", lambda one: one.trained("registry"), "s"),
    Row("Artifact of 32 MiB, put", lambda one: one.artifact(32 * _MIB, "put"), "MiB/s", drawn=True),
    Row("Artifact of 32 MiB, get", lambda one: one.artifact(32 * _MIB, "get"), "MiB/s"),
    Row("Load: good answers", lambda one: one.total("per_second"), "1/s", drawn=True),
    Row("Load: half within", lambda one: one.total("p50_ms"), "ms", 0),
    Row("Load: 95 % within", lambda one: one.total("p95_ms"), "ms", 0),
    Row("Load: 99 % within", lambda one: one.total("p99_ms"), "ms", 0),
    Row("Load: failed", lambda one: _percent(one.total("error_rate")), "%", 2),
    Row("Servers' memory at most", lambda one: one.memory, "MiB", 0, drawn=True),
    Row("Images, or installed programs", lambda one: one.programs, "MiB", 0),
    Row(
        "Healthy after a server was killed",
        lambda one: one.fault.get("seconds") if one.fault.get("survived") else None,
        "s",
    ),
    Row("Removed", lambda one: one.seconds("destroy"), "s"),
)


def read(directory: Path, names: Sequence[str]) -> list[Compared]:
    """What each target's stages left.

    :raises BadInput: a target has no record of its stages, or a record cannot be read.
    """
    found = []
    for name in names:
        folder = directory / name
        stages = _json(folder / "stages.json")
        if not isinstance(stages, list):
            raise BadInput(f"{folder}/stages.json is missing: the benchmark did not come to {name}.")
        parts = {part: _json(folder / f"{part}.json") or {} for part in ("size", "training", "fault")}
        found.append(
            Compared(name, [_stage(stage) for stage in stages], load=_json(folder / "load/result.json") or {}, **parts)
        )
    return found


def write(targets: Sequence[Compared], directory: Path) -> dict[str, str]:
    """Write all forms of the report. :returns: their paths by kind."""
    texts = {
        "json": json.dumps({one.name: one.__dict__ for one in targets}, indent=1) + "\n",
        "markdown": markdown(targets),
        "html": html(targets),
        "picture": picture(targets),
    }
    for kind, text in texts.items():
        (directory / FILES[kind]).write_text(text, encoding="utf-8")
    return {kind: str(directory / name) for kind, name in FILES.items()}


def sentence(targets: Sequence[Compared]) -> str:
    """How it went, in one line; each failure with its reason."""
    failed = [f"{one.name} failed at {one.failed['name']}: {one.failed['reason']}" for one in targets if one.failed]
    held = len(targets) - len(failed)
    return f"{held} of {len(targets)} targets went through." + "".join(f" {text}" for text in failed)


def markdown(targets: Sequence[Compared]) -> str:
    lines = ["# Comparison of deployments", "", sentence(targets), "", f"![Side by side]({FILES['picture']})", ""]
    lines += ["| | unit | " + " | ".join(f"`{one.name}`" for one in targets) + " |"]
    lines += ["|---|---|" + "--:|" * len(targets)]
    lines += [f"| {row.label} | {row.unit} | " + " | ".join(map(row.text, targets)) + " |" for row in ROWS]
    lines += [text for note in notes(targets) for text in ("", note)]
    lines += ["", "| stage | " + " | ".join(f"`{one.name}`" for one in targets) + " |", "|---|" + "---|" * len(targets)]
    lines += [f"| {stage} | " + " | ".join(_cell(one, stage) for one in targets) + " |" for stage in _stages(targets)]
    return "\n".join(lines) + "\n"


def notes(targets: Sequence[Compared]) -> list[str]:
    """Why the figures of a load say less of a target than they seem to."""
    found = [(one.name, one.load.get("client", {}).get("reasons", [])) for one in targets]
    return [f"{name}: {verdict.BOTTLENECK}: {'; '.join(reasons)}." for name, reasons in found if reasons]


def html(targets: Sequence[Compared]) -> str:
    """One page that loads nothing from elsewhere."""
    good = not any(one.failed for one in targets)
    heads = "".join(f'<th class="number">{escape(one.name)}</th>' for one in targets)
    names = "".join(f"<th>{escape(one.name)}</th>" for one in targets)
    measures = "".join(
        f"<tr><td>{escape(row.label)}</td><td>{row.unit}</td>"
        + "".join(f'<td class="number">{row.text(one)}</td>' for one in targets)
        + "</tr>"
        for row in ROWS
    )
    stages = "".join(
        f"<tr><td>{escape(stage)}</td>"
        + "".join(f"<td>{escape(_outcome(one, stage))}</td>" for one in targets)
        + "</tr>"
        for stage in _stages(targets)
    )
    noted = "".join(f'<p class="note">{escape(note)}</p>' for note in notes(targets))
    figures = "".join(charts.bars(row.label, _values(row, targets), row.unit) for row in _drawn())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Comparison of deployments</title><style>{STYLE}</style></head>\n<body><main>"
        f'<header class="{"good" if good else "bad"}"><p class="badge">{"Passed" if good else "Failed"}</p>'
        f"<h1>Comparison of deployments</h1><p>{escape(sentence(targets))}</p>{noted}</header>"
        f'<h2>Side by side</h2><div class="charts">{figures}</div>'
        f'<div class="wide"><table><tr><th></th><th></th>{heads}</tr>{measures}</table></div>'
        f"<h2>Response times under load</h2>{charts.ranges('', _ranges(targets))}"
        f'<h2>Stages</h2><div class="wide"><table><tr><th></th>{names}</tr>{stages}</table></div>'
        '<p class="quiet">Figures are of this machine and of what else it did: compare them side by side only. '
        "Logs and the whole report of each load test are in the targets' folders.</p></main></body></html>\n"
    )


def picture(targets: Sequence[Compared]) -> str:
    """What the page draws first, for the Markdown."""
    drawn = [(f"{row.label}, {row.unit}", _values(row, targets)) for row in _drawn()]
    return charts.picture("Side by side", drawn, COLOURS)


def _drawn() -> list[Row]:
    return [row for row in ROWS if row.drawn]


def _values(row: Row, targets: Sequence[Compared]) -> list[tuple[str, float]]:
    return [(one.name, value) for one in targets if (value := row.value(one)) is not None]


def _ranges(targets: Sequence[Compared]) -> list[charts.Range]:
    """The same operation of all targets, one below the other."""
    by_name: dict[str, list[charts.Range]] = {}
    for one in targets:
        for operation in one.load.get("operations", []):
            if operation["p50_ms"] is not None:
                values = (operation["p50_ms"], operation["p95_ms"], operation["p99_ms"])
                label = f"{operation['name']} · {one.name}"
                by_name.setdefault(operation["name"], []).append(charts.Range(label, *values))
    return [each for name in sorted(by_name) for each in by_name[name]]


def _stages(targets: Sequence[Compared]) -> list[str]:
    """In their order, which only a target that came to all of them shows."""
    longest_first = sorted(targets, key=lambda one: -len(one.stages))
    return list(dict.fromkeys(stage["name"] for one in longest_first for stage in one.stages))


def _outcome(target: Compared, name: str) -> str:
    for stage in target.stages:
        if stage["name"] == name:
            return f"{stage['seconds']:.0f} s" if stage["ok"] else f"failed: {shorten(stage['reason'], _CELL)}"
    return "not tried"


def _cell(target: Compared, name: str) -> str:
    """The outcome in a table of Markdown."""
    return _outcome(target, name).replace("|", "\\|")


def _stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"name": stage["name"], "ok": bool(stage["ok"]), "seconds": float(stage["seconds"])}
    return kept if kept["ok"] else {**kept, "reason": reason(str(stage.get("output", "")))}


def reason(output: str) -> str:
    """What a playbook that failed said last, as one line."""
    messages = re.findall(_KEY.format("msg"), output, re.MULTILINE)
    if messages and messages[-1] == "non-zero return code":  # of a command, which said it itself
        messages = re.findall(_KEY.format("stderr"), output, re.MULTILINE)
    errors = re.findall(r"^\[?ERROR\]?:? (.*)$", output, re.MULTILINE)
    said = (messages or errors or [output[-300:]])[-1]
    said = " ".join(said.removeprefix("|-").removeprefix(">-").replace("\\n", " ").split()).strip("'\"")
    return said[:400] or "it said nothing; its log is in the folder logs"


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from error


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
