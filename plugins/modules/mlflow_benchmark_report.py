#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_benchmark_report
short_description: Put what a benchmark of deployments measured side by side
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads what the playbook C(benchmark) left in each target's folder, and writes one report as JSON, as Markdown and as
    one self-contained HTML page with charts. C(benchmark.svg) is a picture for the Markdown.
  - A target that failed is in the report, with the stage and the reason.
extends_documentation_fragment:
  - mlops.mlflow.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description:
      - The folder of the benchmark, with one folder for each target.
    type: path
    required: true
  targets:
    description:
      - Names of the targets, in the order of the columns.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Write the report of a benchmark anew
  mlops.mlflow.mlflow_benchmark_report:
    directory: /srv/mlflow-benchmark
    targets: [local, compose_local]
"""

RETURN = r"""
reports:
  description: Paths of the report, by kind. They are not written in check mode.
  returned: success
  type: dict
  sample: {"json": "/srv/benchmark/benchmark.json", "html": "/srv/benchmark/benchmark.html"}
failed_targets:
  description: Names of the targets that failed.
  returned: success
  type: list
  elements: str
  sample: []
text:
  description: How it went, and the table in Markdown.
  returned: success
  type: str
  sample: 2 of 2 targets went through.
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.load import comparison
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def report(module: AnsibleModule) -> dict[str, Any]:
    directory = Path(module.params["directory"])
    targets = comparison.read(directory, module.params["targets"])
    before = {file: _text(directory / file) for file in comparison.FILES.values()}
    reports = {kind: str(directory / name) for kind, name in comparison.FILES.items()}
    if not module.check_mode:
        comparison.write(targets, directory)
    return {
        "changed": module.check_mode or before != {file: _text(directory / file) for file in comparison.FILES.values()},
        "reports": reports,
        "failed_targets": [one.name for one in targets if one.failed],
        "text": f"{comparison.markdown(targets)}\nReport: {reports['html']}",
    }


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "targets": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run(module, report)


if __name__ == "__main__":
    main()
