# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports of a load test. The JSON is the source; JUnit for CI and one HTML page for people are made from it alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from ..errors import BadInput
from . import charts, verdict
from .operations import MIB

_OTHER_FILES = ("locust.json", "locust.html", "locust.log", "locust.out", "plan.json")
FILES = {"json": "result.json", "junit": "junit.xml", "html": "report.html"}


def begin(folder: Path) -> None:
    """Make the folder, and take away what an earlier test left there: it must never be taken for this one's.

    :raises BadInput: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*FILES.values(), *_OTHER_FILES, *(path.name for path in folder.glob("locust_*.csv"))):
            (folder / old).unlink(missing_ok=True)
        (folder / "progress.txt").write_text("")
    except OSError as error:
        raise BadInput(f"report_dir {folder} cannot be written: {error.strerror}.") from error


def write(result: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write all three. :returns: their paths by kind."""
    texts = {"json": json.dumps(result, indent=1) + "\n", "junit": junit(result), "html": html(result, _own(folder))}
    for kind, text in texts.items():
        (folder / FILES[kind]).write_text(text, encoding="utf-8")
    return {kind: str(folder / name) for kind, name in FILES.items()}


def junit(result: Mapping[str, Any]) -> str:
    """One test case for each objective, and one for the cleaning up; what is not allowed in XML is left out."""
    cases = [
        _case(f"load.{one['operation']}", one["text"].partition(": ")[2], "" if one["ok"] else one["reason"])
        for one in result["verdict"]["slos"]
    ]
    broken = [f"{one['message']} ({one['count']} times)" for one in result["exceptions"]]
    cases.append(_case("load.scenario", "the scenario ran without errors of its own", "; ".join(broken)))
    cases.append(_case("load.scenario", "requests were made", "" if result["total"]["requests"] else "none was made"))
    if result.get("clean_up"):
        cases.append(_case("load.clean_up", "what was made is removed", "; ".join(result["clean_up"]["left"])))
    failures = sum("<failure" in case for case in cases)
    begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(result["started"]))
    head = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="0" time="{result["seconds"]:.3f}"'
    said = escape(_printable(result["verdict"]["text"]), quote=False)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {head}>\n"
        f"  <testsuite name={_attribute(result['title'])} timestamp={_attribute(begun)} {head}>\n"
        + "\n".join(cases)
        + f"\n    <system-out>{said}</system-out>\n  </testsuite>\n</testsuites>\n"
    )


def html(result: Mapping[str, Any], attachments: Iterable[str] = ()) -> str:
    """The whole page. It loads nothing from elsewhere; C(attachments) are files beside it that it links to."""
    judged = result["verdict"]
    mood = "good" if judged["passed"] else "bad"
    begun = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(result["started"]))
    versions = sorted({one["version"] for one in result["targets"]})
    body = [
        f'<header class="{mood}"><p class="badge">{"Passed" if judged["passed"] else "Failed"}</p>',
        f"<h1>{_text(result['title'])}</h1>",
        f'<p class="quiet">{_targets_line(result["targets"])} · MLflow {_text(", ".join(versions))} · {begun}</p>',
        "".join(f'<p class="reason">{_text(reason)}</p>' for reason in judged["reasons"]),
        "".join(
            f'<p class="note">{_text(verdict.BOTTLENECK)}: {_text(reason)}.</p>'
            for reason in result["client"]["reasons"]
        ),
        "</header>",
        _tiles(result),
        _objectives(judged["slos"]),
        f"<h2>Over time</h2>{_over_time(result)}",
        f"<h2>Response times</h2>{_response_times(result)}",
        _operations(result["operations"]),
        _fleet(result.get("counted_targets") or []),
        _failures(result),
        f"<h2>Servers</h2>{_servers(result['servers'])}",
        f"<h2>How it was measured</h2>{_method(result)}",
    ]
    links = " · ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in attachments)
    if links:
        body.append(f'<p class="quiet">Beside this page: {links}</p>')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{'Passed' if judged['passed'] else 'Failed'}: {_text(result['title'])}</title>"
        f"<style>{STYLE}</style></head>\n<body><main>\n" + "\n".join(filter(None, body)) + "\n</main></body></html>\n"
    )


def _own(folder: Path) -> list[str]:
    """Files beside the page that are worth a link; Locust's own report is one of them."""
    wanted = ("locust.html", "result.json", "junit.xml", "locust_stats.csv", "locust_failures.csv", "locust.log")
    return [name for name in wanted if name in FILES.values() or (folder / name).exists()]


def _tiles(result: Mapping[str, Any]) -> str:
    total = result["total"]
    servers = [one for one in result["servers"] if one["measured"]]
    tiles = [
        (f"{total['per_second']:.1f}/s", "good answers"),
        (_ms(total["p50_ms"]), "half of them within"),
        (_ms(total["p95_ms"]), "95 % within"),
        (f"{total['error_rate'] * 100:.2g} %", f"failed: {total['failures']} of {total['requests']}"),
    ]
    if servers:
        cores = sum(one["cpu_seconds"] for one in servers) / max(result["seconds"], 1)
        memory = sum(one["memory_peak_bytes"] for one in servers) / MIB
        tiles += [(f"{cores:.2f}", "cores used by servers"), (f"{memory:.0f} MiB", "their memory at most")]
    shown = "".join(f"<div><b>{_text(value)}</b><span>{_text(label)}</span></div>" for value, label in tiles)
    return f'<section class="tiles">{shown}</section>'


def _objectives(slos: list[Mapping[str, Any]]) -> str:
    if not slos:
        return ""
    rows = []
    for one in slos:
        objective = verdict.Objective(one["operation"], one["measure"], one["limit"])
        seen = "nothing to judge" if one["seen"] is None else objective.amount(one["seen"])
        mark = '<td class="mark good">held</td>' if one["ok"] else '<td class="mark bad">broken</td>'
        rows.append(
            f"<tr>{mark}<td>{_text(one['operation'])}</td><td>{_text(one['text'].partition(': ')[2])}</td>"
            f'<td class="number">{_text(seen)}</td></tr>'
        )
    return (
        "<h2>Objectives</h2><table><thead><tr><th></th><th>operation</th><th>objective</th>"
        f'<th class="number">seen</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _over_time(result: Mapping[str, Any]) -> str:
    series = result["series"]

    def points(key: str) -> list[tuple[float, float | None]]:
        return [(one["at"], one[key]) for one in series]

    drawn = [
        charts.lines(
            "Answers",
            [
                charts.Line("good", points("per_second"), "one", filled=True),
                charts.Line("failed", points("failures_per_second"), "bad"),
            ],
            "per second",
        ),
        charts.lines(
            "Response time",
            [charts.Line("p95", points("p95_ms"), "two"), charts.Line("p50", points("p50_ms"), "one")],
            "ms, over the last 10 s",
        ),
        charts.lines("Users", [charts.Line("users", points("users"), "one", filled=True)]),
        charts.lines(
            "Load generator",
            [
                charts.Line("its machine", points("machine_cpu"), "quiet"),
                charts.Line("busiest Locust process", points("client_cpu"), "two"),
            ],
            "share of CPU, 1 is all of it (of one core for Locust)",
        ),
    ]
    return f'<div class="charts">{"".join(drawn)}</div>'


def _response_times(result: Mapping[str, Any]) -> str:
    limits = {
        one["operation"]: one for one in result["verdict"]["slos"] if one["measure"] in ("p95_ms", "p99_ms", "p50_ms")
    }
    rows = [
        charts.Range(
            one["name"], one["p50_ms"], one["p95_ms"], one["p99_ms"],
            limits[one["name"]]["limit"] if one["name"] in limits else None,
            limits[one["name"]]["ok"] if one["name"] in limits else True,
        )
        for one in result["operations"]
        if one["p50_ms"] is not None
    ]  # fmt: skip
    key = "Ring: p50. Dot and number: p95. End of the bar: p99. Upright mark: the objective. Logarithmic."
    return charts.ranges("Each operation", rows) + f'<p class="quiet">{key}</p>'


def _operations(operations: list[Mapping[str, Any]]) -> str:
    head = ("operation", "requests", "failed", "good/s", "mean", "p50", "p95", "p99", "max", "MiB/s")
    rows = []
    for one in operations:
        cells = (
            f"{one['requests']}",
            f"{one['failures'] or ''}",
            f"{one['per_second']:.2f}",
            *(_ms(one[key]) for key in ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")),
            f"{one['mib_per_second']:.1f}" if one.get("mib_per_second") else "",
        )
        failed = ' class="failed"' if one["failures"] else ""
        rows.append(
            f'<tr{failed}><td title="{escape(one["about"])}">{_text(one["name"])}</td>'
            + "".join(f'<td class="number">{_text(cell)}</td>' for cell in cells)
            + "</tr>"
        )
    return _table(head, rows)


def _fleet(targets: list[Mapping[str, Any]]) -> str:
    if not targets:
        return ""
    rows = [
        f"<tr><td>{_text(one['name'])}</td>"
        + "".join(
            f'<td class="number">{_text(cell)}</td>'
            for cell in (
                str(one["requests"]),
                str(one["failures"] or ""),
                f"{one['per_second']:.2f}",
                *(_ms(one[key]) for key in ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")),
            )
        )
        + "</tr>"
        for one in targets
    ]
    head = ("target", "requests", "failed", "good/s", "mean", "p50", "p95", "p99", "max")
    return "<h2>Targets</h2>" + _table(head, rows)


def _failures(result: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{_text(one['operation'])}</td><td>{_text(one['error'])}</td>"
        f'<td class="number">{one["count"]}</td></tr>'
        for one in result["failures"]
    ]
    if not rows:
        return ""
    return (
        "<h2>Failures</h2><table><thead><tr><th>operation</th><th>error</th>"
        f'<th class="number">count</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _servers(servers: list[Mapping[str, Any]]) -> str:
    shown = []
    for one in servers:
        if not one["measured"]:
            shown.append(f'<p class="quiet">{_text(one["name"])} was not measured: {_text(one["why_not"])}.</p>')
            continue
        moments = one["moments"]
        cores: list[tuple[float, float | None]] = [
            (after["at"], max(after["cpu_seconds"] - before["cpu_seconds"], 0) / max(after["at"] - before["at"], 0.001))
            for before, after in pairwise(moments)
        ]
        memory: list[tuple[float, float | None]] = [(now["at"], now["memory_bytes"] / MIB) for now in moments]
        drawn = [
            charts.lines(f"{one['name']}: CPU", [charts.Line("cores", cores, "one", filled=True)], "cores"),
            charts.lines(f"{one['name']}: memory", [charts.Line("memory", memory, "two", filled=True)], "MiB"),
        ]
        said = f"{one['cpu_seconds']:.1f} CPU seconds, at most {one['memory_peak_bytes'] / MIB:.0f} MiB"
        if one["database_connections_peak"] is not None:
            open_ones: list[tuple[float, float | None]] = [(now["at"], now["database_connections"]) for now in moments]
            line = charts.Line("connections", open_ones, "one")
            drawn.append(charts.lines(f"{one['name']}: database connections", [line]))
            said += f", at most {one['database_connections_peak']} database connections"
        shown.append(f'<p>{_text(one["name"])}: {_text(said)}.</p><div class="charts">{"".join(drawn)}</div>')
    return "".join(shown) or '<p class="quiet">What the servers took was not measured.</p>'


def _method(result: Mapping[str, Any]) -> str:
    client = result["client"]
    cleaned = result.get("clean_up") or {}
    facts = [
        ("load", f"{result['users']} users, {result['spawn_rate']:g} more each second, for {result['run_time']:g} s"),
        ("workload", f"{result['workload']}, {result['wait'][0]:g} to {result['wait'][1]:g} s between two tasks"),
        ("seed", str(result["seed"])),
        ("generator", f"Locust {result['locust']}, {client['processes']} process(es), at most "
                      f"{client['cpu_peak']:.0%} of a core, timers at most {client['lag_peak'] * 1000:.0f} ms late"),
        ("place", "on the server's own machine, with which it shares the CPU" if client["same_machine"]
                  else "on another machine or in the cluster"),
        ("response times", "as the client saw them, from the first byte sent to the last byte received; Locust rounds "
                           "them to two digits from 100 ms on"),
    ]  # fmt: skip
    facts += [("left out", text) for text in result["left_out"]]
    if cleaned:
        facts.append(
            ("cleaned up", f"{cleaned['experiments']} experiments, {cleaned['registered_models']} registered models, "
                           f"{cleaned['traces']} traces in {cleaned['seconds']:.1f} s. Experiments and runs are "
                           f"soft-deleted, as the API does it; mlflow gc removes them for good")
        )  # fmt: skip
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>" for name, text in facts)
    return f"<dl>{rows}</dl>"


def _targets_line(targets: list[Mapping[str, Any]]) -> str:
    if len(targets) > 3:
        return f"{len(targets)} targets"
    return ", ".join(_text(one["url"]) for one in targets)


def _table(head: Iterable[str], rows: list[str]) -> str:
    cells = "".join(f'<th class="{"number" if number else ""}">{name}</th>' for number, name in enumerate(head))
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _case(group: str, name: str, failure: str) -> str:
    inner = f"<failure message={_attribute(failure)}/>" if failure else ""
    opening = f"    <testcase classname={_attribute(group)} name={_attribute(name)}"
    return f"{opening}>{inner}</testcase>" if inner else f"{opening}/>"


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _text(text: object) -> str:
    return escape(_printable(str(text)))


def _printable(text: str) -> str:
    """Without control characters, which XML cannot hold at all."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


# Those of every chart, on a page or in a file of its own.
COLOURS = """
:root{--page:#fff;--ink:#1c2430;--soft:#5d6877;--rule:#e3e7ec;--panel:#f6f8fa;--one:#2563a8;--two:#c2690c;
--quiet:#9aa5b1;--good:#1a7f4b;--bad:#c0322b;--goodback:#e9f6ef;--badback:#fcedec}
@media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e4e8ed;--soft:#98a3b0;--rule:#2c333c;--panel:#1b2027;
--one:#6aa9ea;--two:#eaa255;--quiet:#66717e;--good:#4cc38a;--bad:#f1706a;--goodback:#14271e;--badback:#2d1a1a}}
.label{fill:var(--ink);font-size:12.5px}"""
STYLE = (
    COLOURS
    + """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"DejaVu Sans",sans-serif}
main{max-width:1100px;margin:0 auto;padding:24px 20px 60px}
header{border-left:6px solid;padding:16px 20px;border-radius:6px}
header.good{border-color:var(--good);background:var(--goodback)}
header.bad{border-color:var(--bad);background:var(--badback)}
h1{margin:2px 0;font-size:26px;line-height:1.2}
h2{margin:36px 0 12px;font-size:18px}
.badge{margin:0;font-weight:700;text-transform:uppercase;letter-spacing:.06em;font-size:13px}
.good .badge,.mark.good{color:var(--good)}
.bad .badge,.mark.bad{color:var(--bad)}
.reason,.note{margin:8px 0 0}
.reason{font-weight:600}
.quiet,.unit{color:var(--soft)}
header .quiet{margin:2px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:18px 0}
.tiles div{background:var(--panel);border-radius:6px;padding:12px 14px}
.tiles b{display:block;font-size:22px;line-height:1.2;font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:18px}
figure{margin:0}
figcaption{font-weight:600;font-size:14px;margin-bottom:4px}
.unit{font-weight:400}
.key{font-weight:400;color:var(--soft);margin-left:12px;font-size:13px}
.key i{display:inline-block;width:12px;height:3px;margin-right:5px;vertical-align:middle}
svg{display:block;width:100%;height:auto}
.grid{stroke:var(--rule);stroke-width:1}
.tick{fill:var(--soft);font-size:11px}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;margin-top:14px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:13px}
th,td{padding:5px 10px;border-bottom:1px solid var(--rule)}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.mark{font-weight:700}
tr.failed td{color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
dt{color:var(--soft)}
dd{margin:0}
a{color:var(--one)}
"""
)
