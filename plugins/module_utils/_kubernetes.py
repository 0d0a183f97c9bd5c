# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PRIVATE to the collection: how its modules log in to a cluster, which is how kubernetes.core does it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._engine.errors import one_line
from ._engine.kubernetes.client import CONNECTIONS, Cluster, ClusterError

# Of the variables that kubernetes.core reads, those by which another cluster or account would be asked.
_CHOOSING = ("KUBECONFIG", "CONTEXT", "HOST", "API_KEY", "USERNAME", "PASSWORD", "IMPERSONATE_USER")
CLUSTER_ARGS: dict[str, Any] = {
    "kubeconfig": {"type": "raw", "no_log": True},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"], "no_log": False},
    "namespace": {"type": "str", "required": True},
}
# Of modules that log in to one with an option of their own.
LOGIN_ARGS = {name: spec for name, spec in CLUSTER_ARGS.items() if name != "namespace"}


def refuse_two_clusters(given: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Refuse a login half of which is said and half of which is somebody's environment: that would win where it names
    a server, and what was said names another cluster.

    :raises ClusterError: they say both.
    """
    said = [name for name in ("kubeconfig", "context", "host", "api_key") if given.get(name)]
    others = [
        f"K8S_AUTH_{name}" for name in _CHOOSING if name.lower() not in said and environment.get(f"K8S_AUTH_{name}")
    ]
    if said and others:
        raise ClusterError(
            f"Which cluster is meant is said by {' and '.join(said)} (mlflow_cluster), and the environment of whoever "
            f"runs Ansible has {', '.join(others)}, which could lead to another one: unset it, or leave mlflow_cluster "
            f"empty."
        )


def cluster_of(module: AnsibleModule, login: Mapping[str, Any] | None = None) -> Cluster:
    """The cluster that C(login) or else a module's own options, or K8S_AUTH_* variables, describe."""
    # Only here: importing the client costs more than a second, also where a module needs no cluster.
    try:
        from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    except ImportError:
        module.fail_json(msg=missing_required_lib("kubernetes.core (collection)"), exception=traceback.format_exc())
    try:
        import kubernetes
    except ImportError:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=traceback.format_exc())
    options = module.params if login is None else login
    given = {name: options.get(name) for name in CLUSTER_ARGS if name != "namespace"}
    refuse_two_clusters(given, os.environ)
    try:
        configuration = get_api_client(**given).client.client.configuration
    except Exception as error:
        where = given["context"] or given["host"] or "the current context"
        raise ClusterError(
            f"The cluster ({where}) cannot be used: {one_line(error, 300)}. Is it running, and do "
            f"kubeconfig and context name the right one?"
        ) from error
    # By default it is five for each core, and a thread without one opens another for each request.
    configuration.connection_pool_maxsize = max(configuration.connection_pool_maxsize, CONNECTIONS)
    return Cluster(kubernetes.client.ApiClient(configuration=configuration))
