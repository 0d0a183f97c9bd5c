#!/usr/bin/python
# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_kubernetes_certificate
short_description: See that a Service of a deployment has a certificate, by an authority of the deployment's own
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes the authority (Secret C(DEPLOYMENT-authority), which no pod reads), what clients trust (C(DEPLOYMENT-ca), key
    C(ca.crt)) and the certificate of the Service (C(SERVICE-tls)) where they are missing.
  - Renews what has less than a third of its term left. An authority keeps its key then, so that nobody has to trust
    another one at once. What is good is never changed.
  - Where the Secret of the certificate or C(DEPLOYMENT-ca) is somebody else's, such as cert-manager's, nothing is made.
requirements:
  - cryptography >= 42.0.0 (ansible-core needs it, too)
extends_documentation_fragment:
  - mlops.mlflow.attributes
  - mlops.mlflow.attributes.actiongroup_kubernetes
  - mlops.mlflow.cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Names Secrets and keys, never what they hold.
  idempotent:
    support: full
seealso:
  - module: mlops.mlflow.mlflow_kubernetes_secret
options:
  deployment:
    description:
      - Name of the deployment whose authority signs.
    type: str
    default: mlflow
  component:
    description:
      - The component that the Service belongs to, such as V(database).
    type: str
    required: true
  service:
    description:
      - Name of the Service. The certificate is for each of the names by which pods reach it.
    type: str
    required: true
  secret:
    description:
      - Name of the Secret that holds the certificate. Empty for C(SERVICE-tls).
    type: str
    default: ""
  names:
    description:
      - Names and addresses that the certificate is for besides those of the Service.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See that the database of a deployment has a certificate
  mlops.mlflow.mlflow_kubernetes_certificate:
    namespace: mlflow
    component: database
    service: mlflow-database

- name: See that servers have one that is also for their own pods
  mlops.mlflow.mlflow_kubernetes_certificate:
    namespace: mlflow
    component: server
    service: mlflow
    secret: mlflow-server-tls
    names: [localhost, 127.0.0.1]
"""

RETURN = r"""
made:
  description: Secrets and keys that were made or renewed, or would be.
  returned: success
  type: list
  elements: str
  sample: [mlflow-database-tls/tls.crt, mlflow-database-tls/tls.key]
authority:
  description:
    - The certificate that clients trust, which is no secret. Empty in check mode where it would be made.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.certificates import (
    authority,
    ensure_certificate,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._kubernetes import CLUSTER_ARGS, cluster_of
from ansible_collections.mlops.mlflow.plugins.module_utils._module import run


def ensure(module: AnsibleModule) -> dict[str, Any]:
    params, cluster = module.params, cluster_of(module)
    made = ensure_certificate(
        cluster,
        params["namespace"],
        params["deployment"],
        params["component"],
        params["service"],
        secret=params["secret"],
        others=params["names"],
        dry_run=module.check_mode,
    )
    after = "".join(f"{key}\n" for key in made)
    header = f"certificates in the namespace {params['namespace']}"
    return {
        "changed": bool(made),
        "made": made,
        "authority": authority(cluster, params["namespace"], params["deployment"]),
        "diff": {"before": "", "after": after, "before_header": header, "after_header": header},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CLUSTER_ARGS,
            "deployment": {"type": "str", "default": "mlflow"},
            "component": {"type": "str", "required": True},
            "service": {"type": "str", "required": True},
            "secret": {"type": "str", "default": "", "no_log": False},
            "names": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    run(module, ensure)


if __name__ == "__main__":
    main()
