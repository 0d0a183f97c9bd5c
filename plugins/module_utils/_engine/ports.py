# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a program of this machine could listen somewhere, and why not."""

from __future__ import annotations

import errno
import socket

ANY = "0.0.0.0"  # noqa: S104
ONLY_ROOT = "only root may listen there"
_CONNECT_SECONDS = 2.0


def state(host: str, port: int) -> tuple[str, str]:
    """C(free), C(held) by a program, or C(impossible) with the reason: the address is none of this machine, or only
    root may have the port.

    :param host: an address or a name, an IPv6 address with or without brackets; empty for every address.
    """
    name = host.strip("[]") or ANY
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "held", ""
        return "impossible", _reason(error)
    return "free", ""


def answers(host: str, port: int) -> bool:
    """Whether somebody accepts connections there, for whoever may not try to listen."""
    try:
        socket.create_connection((host.strip("[]") or "127.0.0.1", port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _reason(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return ONLY_ROOT
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or isinstance(error, socket.gaierror):
        return "it is no address of this host"
    return error.strerror or str(error)
