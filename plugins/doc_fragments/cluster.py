# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches CLUSTER_ARGS of module_utils/_kubernetes.py. The names are those of kubernetes.core.
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file, or its content as a dict. Also from E(K8S_AUTH_KUBECONFIG).
    type: raw
  context:
    description:
      - Context in the kubeconfig. Also from E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - URL of the API server, instead of a kubeconfig. Also from E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Token for the API server. Also from E(K8S_AUTH_API_KEY).
    type: str
  validate_certs:
    description:
      - Whether the API server's certificate is checked. Also from E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - File with the authority of the API server's certificate. Also from E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - File with a client certificate. Also from E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Key of the client certificate. Also from E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  namespace:
    description:
      - Namespace of the deployment.
    type: str
    required: true
requirements:
  - kubernetes
notes:
  - Further ways to log in are taken from the environment, as the modules of kubernetes.core do.
"""
