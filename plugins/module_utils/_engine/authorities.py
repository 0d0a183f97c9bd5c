# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public authorities by their names, of those whom the controller trusts: for clients that must trust no others."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadInput


def certificates(names: Sequence[str]) -> str:
    """Their certificates as PEM, in this order.

    :raises BadInput: the controller trusts none of such a name.
    """
    context = ssl.create_default_context()
    try:
        import certifi

        context.load_verify_locations(certifi.where())
    except ImportError:
        pass  # the system's own remain
    trusted = zip(context.get_ca_certs(), context.get_ca_certs(binary_form=True), strict=True)
    found = {_name(shown): ssl.DER_cert_to_PEM_cert(certificate) for shown, certificate in trusted}
    if missing := [name for name in names if name not in found]:
        raise BadInput(
            f"The controller trusts no authority {', '.join(missing)}: install certifi there, or give the certificates "
            f"yourself."
        )
    return "".join(found[name] for name in names)


def _name(shown: Mapping[str, Any]) -> str:
    parts = {key: value for part in shown.get("subject", ()) for key, value in part}
    return str(parts.get("commonName") or "")
