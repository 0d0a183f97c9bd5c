#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_secret
short_description: Create what a Secret lacks, and never change what it has
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Passwords are generated once. A key that exists is left as it is, because the database or the user that it belongs
    to would not follow.
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Names keys, never values.
  idempotent:
    support: full
options:
  deployment:
    description:
      - Name of the deployment that the Secret belongs to.
    type: str
    default: mlflow
  component:
    description:
      - Its component, such as V(database).
    type: str
    required: true
  name:
    description:
      - Name of the Secret.
    type: str
    required: true
  values:
    description:
      - The keys, each with its first value. An empty value means that one is generated.
    type: dict
    required: true
  type:
    description:
      - Type of a new Secret.
    type: str
    default: Opaque
  guarded_claim:
    description:
      - Volume claim with data that was made with this Secret. Where it exists, no key is generated, because it would
        not fit; the task fails instead.
    type: str
"""

EXAMPLES = r"""
- name: Generate the passwords of a database
  mlops.mlflow.mlflow_kubernetes_secret:
    namespace: mlflow
    component: database
    name: mlflow-database
    values: {owner-password: "", password: ""}
    guarded_claim: mlflow-database
"""

RETURN = r"""
created:
  description: The keys that were created, or would be.
  returned: success
  type: list
  elements: str
  sample: [owner-password]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import manifests
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.secrets import ensure_secret
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.secrets import generate
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    values: dict[str, Callable[[], str]] = {
        key: partial(str, value) if value else partial(generate, key) for key, value in params["values"].items()
    }
    created = ensure_secret(
        cluster_of(module),
        params["namespace"],
        params["name"],
        values,
        manifests.marks(params["deployment"], params["component"]),
        kind=params["type"],
        guarded_claim=params["guarded_claim"] or "",
        dry_run=module.check_mode,
    )
    before = "".join(f"{key}\n" for key in params["values"] if key not in created)
    after = "".join(f"{key}\n" for key in params["values"])
    header = f"keys of Secret {params['namespace']}/{params['name']}"
    return {
        "changed": bool(created),
        "created": created,
        "diff": {"before": before, "after": after, "before_header": header, "after_header": header},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "deployment": {"type": "str", "default": "mlflow"},
            "component": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "values": {"type": "dict", "required": True, "no_log": True},
            "type": {"type": "str", "default": "Opaque"},
            "guarded_claim": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
