# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: what modules of snapshots share. Argument specs here match the doc fragment snapshot."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine.snapshot.commands import SECRET_FILES
from ._module import secret_of

SNAPSHOT_ARGS: dict[str, Any] = {
    "destination": {"type": "str", "required": True},
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "access_key_file": {"type": "path", "no_log": False},
    "secret_key_file": {"type": "path", "no_log": False},
    "encryption": {"type": "str", "choices": ["AES256", "aws:kms"]},
    "kms_key": {"type": "str", "no_log": False},
    "account": {"type": "str"},
    "account_key_file": {"type": "path", "no_log": False},
    "name": {"type": "str", "default": "mlflow"},
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
    "secrets": {"type": "dict", "default": {}, "no_log": False},
    "pg_bindir": {"type": "path"},
    "jobs": {"type": "int", "default": 2},
    "scratch_dir": {"type": "path"},
}
SNAPSHOT_TOGETHER = [("access_key_file", "secret_key_file"), ("account", "account_key_file")]


def settings_of(module: AnsibleModule) -> dict[str, Any]:
    """A module's options as the engine of snapshots takes them; the secrets behind them are masked in all output."""
    for option in SECRET_FILES:
        if module.params.get(option):
            secret_of(module, option.removesuffix("_file"))
    return dict(module.params)
