# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Azure: what MLflow on AKS needs of it, asked through Azure Resource Manager with the standard library alone.

The SDKs that azure.azcollection imports are 1.5 GB, and it has no module for user-assigned identities, federated
credentials and the OIDC issuer of a cluster. Azure Resource Manager is one API for all of them: C(client.py) asks it,
C(login.py) knows who asks, C(resources.py) lets resources be as requested. Never imports a platform.
"""
