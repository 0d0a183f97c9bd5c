#!/usr/bin/env python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the dashboards for Grafana from tools/dashboards.yml: tools/dashboards.py [FOLDER]"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard

DECLARED = Path(__file__).with_suffix(".yml")
WRITTEN = DECLARED.parents[1] / "docs" / "dashboards"
OF = 'deployment=~"$deployment",namespace=~"$namespace"'
_SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
# Widths and heights in Grafana's grid of 24 columns.
_SIZE = {"stat": (6, 4), "timeseries": (12, 8)}


def built(declared: dict[str, Any]) -> str:
    """A dashboard as JSON."""
    name = declared["name"]
    made = (
        Dashboard(declared["title"])
        .uid(f"mlops-mlflow-{name}")
        .description(declared["description"])
        .tags(["mlflow"])
        .time("now-6h", "now")
        .refresh("1m")
        .readonly()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", "Namespace", "label_values(mlflow_ops_info, namespace)"))
        .with_variable(
            _variable("deployment", "Deployment", 'label_values(mlflow_ops_info{namespace=~"$namespace"}, deployment)')
        )
    )
    for panel in declared["panels"]:
        made = made.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _variable(name: str, label: str, query: str) -> QueryVariable:
    """All that there are, until somebody chooses; C(.*) is also what has no namespace, on hosts."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query({"query": query, "refId": name})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    )


def _panel(declared: dict[str, Any]) -> Any:
    kind = declared.get("kind", "timeseries")
    width, height = _SIZE[kind]
    made: Any = stat.Panel() if kind == "stat" else timeseries.Panel().legend(VizLegendOptions().show_legend(True))
    made = made.title(declared["title"]).datasource(_SOURCE).span(width).height(height)
    if "description" in declared:
        made = made.description(declared["description"])
    if "unit" in declared:
        made = made.unit(declared["unit"])
    if declared.get("text"):
        made = made.text_mode(common.BigValueTextMode(declared["text"]))
    if kind == "stat":
        made = made.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    for target in _targets(declared["queries"], instant=kind == "stat"):
        made = made.with_target(target)
    return made


def _targets(queries: dict[str, str], instant: bool) -> Iterator[Dataquery]:
    for letter, (legend, query) in zip("ABCDEFGH", queries.items(), strict=False):
        target = Dataquery().ref_id(letter).expr(query.replace("OF", OF)).legend_format(legend)
        yield target.instant() if instant else target.range()


def main(folder: Path = WRITTEN) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for declared in yaml.safe_load(DECLARED.read_text()):
        (folder / f"{declared['name']}.json").write_text(built(declared))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
