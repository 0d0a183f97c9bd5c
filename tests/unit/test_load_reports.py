"""Reports of a load test: JUnit that parses, a page that parses and loads nothing, both from the result alone."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Server
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import charts, report, run
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.plan import Target, Wanted
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load.targets import Cleaned
from support.load_results import entry, raw

HOSTILE = "<script>alert('\"&')</script>\x00\x1b[31m"
VOID = {"meta", "line", "polyline", "polygon", "circle", "i", "br"}
WATCHED = {
    "name": "server",
    "measured": True,
    "cpu_seconds": 3.5,
    "memory_peak_bytes": 300 * 1024**2,
    "database_connections_peak": 7,
    "moments": [
        {"at": float(at), "cpu_seconds": at * 0.5, "memory_bytes": 10**8, "database_connections": at} for at in range(8)
    ],
}


@pytest.fixture(params=["passed", "failed", "nothing measured"])
def result(request: pytest.FixtureRequest) -> dict[str, Any]:
    target = Target("one", Server("http://127.0.0.1:5000"), allowed=True)
    found = {"targets": [{"name": "one", "url": "http://127.0.0.1:5000", "version": "3.17.2"}], "without": ""}
    if request.param == "nothing measured":
        return run.judged(Wanted([target]), raw(series=[]), found, None, [])
    slos = {"all": {"error_rate": 0.5}, "log_metric": {"p95_ms": 1 if request.param == "failed" else 100}}
    counted = raw(
        entry("log_metric", {10: 90, 30: 10}, failures=2),
        entry("put_artifact_1m", {200: 3}),
        failures=[{"name": "log_metric", "error": f"500 {HOSTILE}", "occurrences": 2}],
    )
    unseen = {"name": "other", "measured": False, "why_not": "it is elsewhere"}
    wanted = Wanted([target], slos=slos, title=f"Nightly {HOSTILE}")
    return run.judged(wanted, counted, found, Cleaned(experiments=3), [WATCHED, unseen])


class Page(HTMLParser):
    """Notes what is open, what is shown and what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_junit_file_has_a_case_for_each_objective_and_counts_what_failed(result: dict[str, Any]) -> None:
    root = ElementTree.fromstring(report.junit(result).encode())  # noqa: S314
    (suite,) = root
    cases = suite.findall("testcase")
    failed = [case for case in cases if case.find("failure") is not None]
    assert int(suite.attrib["tests"]) == len(cases) == int(root.attrib["tests"])
    assert int(suite.attrib["failures"]) == len(failed)
    assert bool(failed) is not result["verdict"]["passed"]
    assert {case.attrib["classname"] for case in cases} >= {
        f"load.{one['operation']}" for one in result["verdict"]["slos"]
    }
    for case in cases:
        assert case.attrib["name"]


def test_the_page_is_whole_loads_nothing_and_shows_what_the_result_says(result: dict[str, Any]) -> None:
    text = report.html(result, ["locust.html"])
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.links == ["locust.html"]
    assert not re.search(r"url\(|@import|<script", text)
    assert ("Passed" if result["verdict"]["passed"] else "Failed") in page.text
    for reason in result["verdict"]["reasons"]:
        assert reason in page.text
    for operation in result["operations"]:
        assert operation["name"] in page.text
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)  # noqa: S314
        assert not re.search(r"\bnan\b|\binf\b", svg)


def test_all_reports_are_written_and_the_json_can_make_the_others_again(result: dict[str, Any], tmp_path: Path) -> None:
    paths = report.write(result, tmp_path)
    again = json.loads(Path(paths["json"]).read_text())
    assert report.junit(again) == Path(paths["junit"]).read_text()
    assert report.html(again, ["result.json", "junit.xml"]) == Path(paths["html"]).read_text()


@pytest.mark.parametrize("highest", [0.0, 0.004, 1.0, 7.0, 96.0, 1234.0, 5e9])
def test_a_chart_reaches_above_its_highest_point_with_few_round_ticks(highest: float) -> None:
    svg = charts.lines("x", [charts.Line("a", [(0.0, 0.0), (10.0, highest)], "one")])
    (points,) = re.findall(r'<polyline class="line" points="([^"]*)"', svg)
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert all(10 <= height <= 190 - 22 + 0.1 for height in heights)
    assert 2 <= svg.count('text-anchor="end"') <= 7


def test_a_gap_in_a_line_stays_a_gap() -> None:
    svg = charts.lines("x", [charts.Line("a", [(0, 1), (1, None), (2, 1), (3, 2)], "one")])
    assert svg.count("<polyline") == 2
