"""kube-score, built from its Go module: what it finds in manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from ..testbed import build, settings
from ..testbed.shell import run

CRITICAL = 1


def critical(objects: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """The critical findings: name of the check, and kind and name of the object."""
    program = build.ensure((settings.GO_SOURCES / "kube-score",), settings.KUBE_SCORE) / "kube-score"
    told = run(
        [program, "score", "-", "--output-format=json", "--output-version=v2"],
        stdin=yaml.safe_dump_all(objects),
        check=False,  # it fails where it finds anything
    ).stdout
    scored = json.loads(told)
    assert scored
    return {
        (check["check"]["id"], f"{one['type_meta']['kind']}/{one['object_meta']['name']}")
        for one in scored
        for check in one["checks"]
        if check["grade"] == CRITICAL and not check["skipped"]
    }
