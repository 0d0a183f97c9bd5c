# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs in to an AKS cluster for kubectl and Ansible, as kubelogin does, with the standard library alone.

The token is of whoever is logged in to Azure, as the collection's modules for Azure find it out. Nothing is written.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from importlib import import_module
from pathlib import Path

# The engine of the collection of which this file is.
sys.path.insert(0, str(Path(__file__).parents[3] / "plugins" / "module_utils"))

# The application that is the API servers of all AKS clusters with Entra ID.
_SERVERS = "6dae42f8-4368-4678-94ff-3960e28e3630"


def main() -> None:
    try:
        token = import_module("_engine.azure.login").log_in(_SERVERS, os.environ)
    except import_module("_engine.errors").EngineError as error:
        sys.exit(str(error))
    ends = datetime.datetime.fromtimestamp(token.until - 60, datetime.UTC)
    status = {"token": token.text, "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    print(
        json.dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "status": status})
    )


if __name__ == "__main__":
    main()
