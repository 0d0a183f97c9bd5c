"""The report of a benchmark: what the stages left, side by side, also of a target that failed."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import comparison

MIB = 1024**2
FAILED = """
TASK [Check the settings] ***
[ERROR]: Task failed: Action failed: Port 5099 is taken by another process: free it.
fatal: [local]: FAILED! =>
    changed: false
    msg: 'Port 5099 is taken by another
        process: free it.'
"""


def stage(name: str, ok: bool = True, seconds: float = 2.0, output: str = "") -> dict[str, Any]:
    return {"name": name, "ok": ok, "seconds": seconds, "output": output}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One target that went through, and one that failed at once."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    (good / "load").mkdir(parents=True)
    bad.mkdir()
    (good / "stages.json").write_text(json.dumps([stage("deploy", seconds=31.4), stage("training"), stage("destroy")]))
    (good / "training.json").write_text(
        json.dumps(
            {
                "stages": {"linear regression": 1.25, "random forest": 3.5, "registry": 2.0},
                "artifacts": [{"bytes": 32 * MIB, "put_seconds": 2.0, "get_seconds": 0.5}],
            }
        )
    )
    (good / "size.json").write_text(json.dumps({"bytes": 700 * MIB}))
    (good / "fault.json").write_text(json.dumps({"survived": True, "seconds": 4.2}))
    operation = {"name": "log_metric", "p50_ms": 5.0, "p95_ms": 12.0, "p99_ms": 40.0}
    total = {"per_second": 88.8, "p50_ms": 6.0, "p95_ms": 20.0, "p99_ms": 55.0, "error_rate": 0.0025}
    servers = [{"measured": True, "memory_peak_bytes": 200 * MIB}, {"measured": False}]
    (good / "load/result.json").write_text(json.dumps({"total": total, "operations": [operation], "servers": servers}))
    (bad / "stages.json").write_text(json.dumps([stage("deploy", False, 3.0, FAILED), stage("destroy")]))
    return tmp_path


def test_what_was_measured_stands_side_by_side(folder: Path) -> None:
    text = comparison.markdown(comparison.read(folder, ["good", "bad"]))
    for line in (
        "| From nothing to ready | s | 31.4 | - |",
        "| Random forest, logged | s | 3.5 | - |",
        "| Artifact of 32 MiB, put | MiB/s | 16.0 | - |",
        "| Artifact of 32 MiB, get | MiB/s | 64.0 | - |",
        "| Load: 95 % within | ms | 20 | - |",
        "| Load: failed | % | 0.25 | - |",
        "| Servers' memory at most | MiB | 200 | - |",
        "| Images, or installed programs | MiB | 700 | - |",
        "| Healthy after a server was killed | s | 4.2 | - |",
    ):
        assert line in text.splitlines()


def test_a_target_that_failed_is_reported_with_step_and_reason(folder: Path) -> None:
    targets = comparison.read(folder, ["good", "bad"])
    said = comparison.sentence(targets)
    assert said == (
        "1 of 2 targets went through. bad failed at deploy: Port 5099 is taken by another process: free it."
    )
    assert "| training | 2 s | not tried |" in comparison.markdown(targets)


def test_a_load_whose_client_was_the_bottleneck_is_noted(folder: Path) -> None:
    file = folder / "good/load/result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"client": {"reasons": ["a core was full"]}}))
    targets = comparison.read(folder, ["good", "bad"])
    note = "good: The client or its machine was the bottleneck, so the server may be better than this: a core was full."
    assert comparison.notes(targets) == [note]
    assert note in comparison.markdown(targets) and note in comparison.html(targets)


def test_a_long_reason_with_bars_does_not_break_the_table(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    said = f"\n    msg: a | b {'and more ' * 40}\n"
    (tmp_path / "one/stages.json").write_text(json.dumps([stage("deploy", False, 3.0, said)]))
    row = next(
        line
        for line in comparison.markdown(comparison.read(tmp_path, ["one"])).splitlines()
        if line.startswith("| deploy")
    )
    assert row.startswith("| deploy | failed: a \\| b and more") and len(row) < 130


def test_steps_stand_in_their_order_also_when_the_first_target_failed(folder: Path) -> None:
    text = comparison.markdown(comparison.read(folder, ["bad", "good"]))
    assert text.index("| deploy |") < text.index("| training |") < text.index("| destroy |")


def test_the_reason_of_a_command_that_failed_is_what_it_said() -> None:
    output = """
    msg: non-zero return code
    rc: 2
    stderr: |-
        error: Request failed
          cause: dns error
    stderr_lines: <omitted>
    stdout: ''
"""
    assert comparison.reason(output) == "error: Request failed cause: dns error"


@pytest.mark.parametrize("output", ["", "no playbook at all"])
def test_a_step_that_left_no_message_has_a_reason_too(output: str) -> None:
    assert comparison.reason(output)


def test_a_target_that_the_walk_never_came_to_is_named(folder: Path) -> None:
    with pytest.raises(BadInput, match="the benchmark did not come to never"):
        comparison.read(folder, ["good", "never"])


def test_a_broken_record_is_named(folder: Path) -> None:
    (folder / "good/training.json").write_text("{")
    with pytest.raises(BadInput, match=r"good/training\.json cannot be read"):
        comparison.read(folder, ["good"])


def test_the_page_is_well_formed_and_loads_nothing_from_elsewhere(folder: Path) -> None:
    page = comparison.html(comparison.read(folder, ["good", "bad"]))
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert not {"src", "href"} & {name for name, _value in attrs}
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Reader().feed(page)
    assert not opened
    assert "Port 5099 is taken" in page and "log_metric · good" in page


def test_all_forms_are_written(folder: Path) -> None:
    paths = comparison.write(comparison.read(folder, ["good"]), folder)
    assert set(paths) == {"json", "markdown", "html", "picture"}
    assert "](benchmark.svg)" in Path(paths["markdown"]).read_text()
    drawn = ElementTree.parse(paths["picture"]).getroot()  # noqa: S314
    assert "88.8" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert json.loads(Path(paths["json"]).read_text())["good"]["fault"]["seconds"] == 4.2
