"""Public authorities by their names, for clients that trust no others."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.authorities import certificates
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.database import AUTHORITIES
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from support.playbooks import REPOSITORY


def test_those_of_azures_databases_are_given_and_no_others() -> None:
    text = certificates(AUTHORITIES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=text)
    shown: Any = context.get_ca_certs()
    names = {dict(part[0] for part in one["subject"])["commonName"] for one in shown}
    assert names == set(AUTHORITIES) and text.count("BEGIN CERTIFICATE") == len(AUTHORITIES)


def test_the_inventory_trusts_the_same() -> None:
    inventory = (REPOSITORY / "inventories/aks/group_vars/mlflow.yml").read_text()
    assert all(f"'{name}'" in inventory for name in AUTHORITIES)


def test_one_that_the_controller_does_not_trust_is_named() -> None:
    with pytest.raises(BadInput, match="trusts no authority Nobody's CA: install certifi there"):
        certificates(["Nobody's CA"])
