# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  runner:
    description:
      - Where the operation runs, as C(mlflow_server_connection.runner) of the role P(mlops.mlflow.mlflow_server#role)
        says - on the host with the server's own libraries and as the owner of its data, in a container alongside the
        servers, or in the cluster. It also says how the server is reached from there.
      - Options that are given explicitly come before what it says. Without it the module's own interpreter does the
        work.
    type: dict
  reservation:
    description:
      - Id of the reservation as part of which this works, which M(mlops.mlflow.mlflow_reservation) has made. What
        changes data is refused while the deployment is reserved for something else.
    type: str
    default: ""
  cluster:
    description:
      - How to log in to the cluster where O(runner) is of the type C(kubernetes), with the options of
        P(kubernetes.core.k8s#module). Without it the current context of the kubeconfig.
    type: dict
    default: {}
    suboptions:
      kubeconfig:
        description:
          - Path of a kubeconfig file, or its content. Without it E(K8S_AUTH_KUBECONFIG), or C(~/.kube/config).
        type: raw
      context:
        description:
          - Context of the kubeconfig.
        type: str
      host:
        description:
          - URL of the API server.
        type: str
      api_key:
        description:
          - Token to log in with.
        type: str
      validate_certs:
        description:
          - Whether the API server's certificate must be valid.
        type: bool
        aliases: [verify_ssl]
      ca_cert:
        description:
          - File with the authority of the API server's certificate.
        type: path
        aliases: [ssl_ca_cert]
      client_cert:
        description:
          - Client certificate to log in with.
        type: path
        aliases: [cert_file]
      client_key:
        description:
          - Private key of O(cluster.client_cert).
        type: path
        aliases: [key_file]
"""
