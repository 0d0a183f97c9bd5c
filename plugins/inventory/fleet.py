# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: The instances of a fleet as hosts
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Makes each instance that M(mlops.mlflow.mlflow_fleet) has deployed a host of the group C(mlflow), with its name as
    C(mlflow_name), so that the day-2 playbooks work on some of them. All else is said by the inventory with which the
    fleet was deployed, which is given first.
  - Asks the API server for one list, of metadata and the columns of C(kubectl get). Wakes nobody.
  - Groups are C(fleet_ready), C(fleet_not_ready) and C(fleet_leaving), and by O(keyed_groups) and O(groups) any others;
    of labels by C(fleet_labels).
  - The file ends with C(fleet.yml) or C(fleet.yaml).
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description:
      - That this plugin is meant.
    required: true
    choices: [mlops.mlflow.fleet]
  namespace:
    description:
      - Namespace of the fleet.
    type: str
    required: true
  fleet:
    description:
      - Name of the fleet.
    type: str
    default: fleet
  kubeconfig:
    description:
      - Path of a kubeconfig file.
    type: path
    env:
      - name: K8S_AUTH_KUBECONFIG
  context:
    description:
      - Context in the kubeconfig.
    type: str
    env:
      - name: K8S_AUTH_CONTEXT
requirements:
  - kubernetes
"""

EXAMPLES = r"""
# tenants.fleet.yml
plugin: mlops.mlflow.fleet
namespace: tenants
fleet: tenants
# team_vision, team_speech
keyed_groups:
  - {key: fleet_labels.team, prefix: team}
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import EngineError
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet import table
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes.client import Cluster

# Operations are carried out on the controller, which asks the cluster.
_CONNECTION = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "mlops.mlflow.fleet"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("fleet.yml", "fleet.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            lines = table.read(self._cluster(), self.get_option("namespace"), self.get_option("fleet"))
        except EngineError as error:
            raise AnsibleParserError(str(error)) from error
        for group in ("mlflow", *(f"fleet_{state}" for state in (table.READY, table.NOT_READY, table.LEAVING))):
            inventory.add_group(group)
        for line in lines:
            self._add(line)

    def _add(self, line: table.Line) -> None:
        variables = {
            **_CONNECTION,
            "mlflow_name": line.name,
            "mlflow_namespace": self.get_option("namespace"),
            "fleet_state": line.state,
            "fleet_reason": line.reason,
            "fleet_url": line.url,
            "fleet_labels": dict(line.labels),
        }
        for group in ("mlflow", f"fleet_{line.state}"):
            self.inventory.add_host(line.name, group=group)
        for name, value in variables.items():
            self.inventory.set_variable(line.name, name, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, line.name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, line.name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, line.name, strict=strict)

    def _cluster(self) -> Cluster:
        try:
            import kubernetes
        except ImportError as error:
            raise AnsibleParserError("The Python library kubernetes is needed to read a fleet.") from error
        login = kubernetes.client.Configuration()
        kubeconfig = self.get_option("kubeconfig")
        try:
            kubernetes.config.load_kube_config(
                str(Path(kubeconfig).expanduser()) if kubeconfig else None,
                context=self.get_option("context"),
                client_configuration=login,
            )
        except kubernetes.config.ConfigException as error:
            raise AnsibleParserError(f"The cluster cannot be used: {error}") from error
        return Cluster(kubernetes.client.ApiClient(configuration=login))
