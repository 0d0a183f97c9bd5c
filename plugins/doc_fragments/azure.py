# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches AZURE_ARGS of module_utils/_azure.py.
    DOCUMENTATION = r"""
options:
  endpoint_url:
    description:
      - Where Azure Resource Manager is, where that is not V(https://management.azure.com), such as
        V(https://management.usgovcloudapi.net). Also from E(AZURE_RESOURCE_MANAGER_ENDPOINT); where logins are then,
        E(AZURE_AUTHORITY_HOST) says.
    type: str
notes:
  - Neither Azure's SDKs nor azure.azcollection are needed. Modules run where somebody is logged in, mostly on the
    controller (C(delegate_to) V(localhost)).
  - Who asks is a service principal of the environment - E(AZURE_TENANT_ID), E(AZURE_CLIENT_ID), and
    E(AZURE_CLIENT_SECRET) or E(AZURE_FEDERATED_TOKEN_FILE); E(AZURE_TENANT) and E(AZURE_SECRET), as azure.azcollection
    and AWX name them, are read as well. Without these it is whoever is logged in to Azure CLI.
"""
