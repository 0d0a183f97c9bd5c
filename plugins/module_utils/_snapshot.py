# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: what modules of snapshots share. Argument specs here match the doc fragment snapshot."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine import protocol
from ._engine.progress import Say, silent
from ._engine.snapshot.commands import SECRET_FILES
from ._module import secret_of
from ._runner import RUNNER_ARGS, here, in_deployment

SNAPSHOT_ARGS: dict[str, Any] = {
    **RUNNER_ARGS,
    "destination": {"type": "str"},
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "access_key_file": {"type": "path", "no_log": False},
    "secret_key_file": {"type": "path", "no_log": False},
    "encryption": {"type": "str", "choices": ["AES256", "aws:kms"]},
    "kms_key": {"type": "str", "no_log": False},
    "account": {"type": "str"},
    "account_key_file": {"type": "path", "no_log": False},
    "name": {"type": "str"},
}
SNAPSHOT_DATA_ARGS: dict[str, Any] = {
    "database_uri": {"type": "str"},
    "auth_uri": {"type": "str"},
    "database_password_file": {"type": "path", "no_log": False},
    "artifacts_uri": {"type": "str"},
    "artifacts_endpoint": {"type": "str"},
    "artifacts_region": {"type": "str"},
    "artifacts_access_key_file": {"type": "path", "no_log": False},
    "artifacts_secret_key_file": {"type": "path", "no_log": False},
    "artifacts_account": {"type": "str"},
    "artifacts_account_key_file": {"type": "path", "no_log": False},
    "secrets": {"type": "dict", "no_log": False},
    "pg_bindir": {"type": "path"},
    "jobs": {"type": "int"},
    "scratch_dir": {"type": "path"},
}
SNAPSHOT_TOGETHER = [("access_key_file", "secret_key_file"), ("account", "account_key_file")]


def carry_out_on_snapshots(module: AnsibleModule, operation: str, *, say: Say = silent) -> dict[str, Any]:
    """An operation on snapshots with a module's options; the secrets behind them are masked in all output."""
    for option in SECRET_FILES:
        if module.params.get(option):
            secret_of(module, option.removesuffix("_file"))
    known = protocol.OPERATIONS[operation].options
    given = {name: value for name, value in module.params.items() if name in known and value is not None}
    hours = float(module.params.get("max_hours") or 24)
    if module.params["runner"]:
        return in_deployment(module, operation, given, deadline=hours * 3600, say=say)
    # The interpreter's own environment may hold secrets of the destination, as the cloud's libraries read them.
    return here(protocol.Request(operation, given, module.check_mode, hours * 3600), say, os.environ)
