# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and tells the truth about what it would change.
  diff_mode:
    description: Returns what it changed, or would change, in diff mode.
  idempotent:
    description: A second run with the same options changes nothing.
"""

    # Modules that take the options of the fragment server.
    ACTIONGROUP_MLFLOW = r"""
attributes:
  action_group:
    description: Use C(group/mlops.mlflow.mlflow) in C(module_defaults) to set the server's options once.
    support: full
    membership:
      - mlops.mlflow.mlflow
"""

    # Modules that take the options of the fragments server and runner.
    ACTIONGROUP_OPERATIONS = r"""
attributes:
  action_group:
    description: >-
      Use C(group/mlops.mlflow.mlflow) in C(module_defaults) to set the server's options once, and
      C(group/mlops.mlflow.operations) to say once where operations run.
    support: full
    membership:
      - mlops.mlflow.mlflow
      - mlops.mlflow.operations
"""

    # Modules that take the options of the fragment runner, and ask no server.
    ACTIONGROUP_RUNNER = r"""
attributes:
  action_group:
    description: Use C(group/mlops.mlflow.operations) in C(module_defaults) to say once where operations run.
    support: full
    membership:
      - mlops.mlflow.operations
"""

    # Modules that take the options of the fragment docker.
    ACTIONGROUP_COMPOSE = r"""
attributes:
  action_group:
    description: Use C(group/mlops.mlflow.compose) in C(module_defaults) to say once which Docker Engine is meant.
    support: full
    membership:
      - mlops.mlflow.compose
"""

    # Modules that take the options of the fragment cluster.
    ACTIONGROUP_KUBERNETES = r"""
attributes:
  action_group:
    description: >-
      Use C(group/mlops.mlflow.kubernetes) in C(module_defaults) to say once which cluster is meant, for these modules
      and those of kubernetes.core.
    support: full
    membership:
      - mlops.mlflow.kubernetes
"""

    # Modules that take the options of the fragment snapshot.
    ACTIONGROUP_SNAPSHOT = r"""
attributes:
  action_group:
    description: >-
      Use C(group/mlops.mlflow.snapshot) in C(module_defaults) to say once where snapshots are kept, and
      C(group/mlops.mlflow.operations) to say once where operations run.
    support: full
    membership:
      - mlops.mlflow.operations
      - mlops.mlflow.snapshot
"""

    # Modules that take the options of the fragment aws.
    ACTIONGROUP_AWS = r"""
attributes:
  action_group:
    description: >-
      Use C(group/mlops.mlflow.aws) in C(module_defaults) to say once which AWS is meant, for these modules and those of
      amazon.aws and community.aws.
    support: full
    membership:
      - mlops.mlflow.aws
"""

    # Modules that take the options of the fragment azure.
    ACTIONGROUP_AZURE = r"""
attributes:
  action_group:
    description: Use C(group/mlops.mlflow.azure) in C(module_defaults) to say once where Azure is.
    support: full
    membership:
      - mlops.mlflow.azure
"""
