# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URIs of PostgreSQL: what their parts mean to SQLAlchemy, to libpq and to people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import replace as with_changed
from urllib.parse import quote, urlsplit

from ..connection import DatabaseUri
from ..errors import BadInput

# SQLAlchemy's driver names that MLflow's PostgreSQL store runs on, and the package that brings each.
DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}

# How long a connection that nobody answers is held for alive: without these, a request after a firewall has cut an idle
# one without a word waits for a quarter of an hour. Seconds; tcp_user_timeout is in milliseconds.
_LIMITS = {
    "connect_timeout": "10",
    "tcp_user_timeout": "15000",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class PostgreSQLUri(DatabaseUri):
    """One whose user, host, port and database are known."""

    @property
    def package(self) -> str | None:
        return DRIVERS.get(self.driver or "")

    @classmethod
    def complete(cls, uri: DatabaseUri, name: str) -> PostgreSQLUri:
        """
        :param uri: as it was read.
        :raises BadInput: no driver or an unknown one, something is missing, or said at two places.
        """
        scheme, parts, query = uri.uri.partition("://")[0], urlsplit(uri.uri), uri.query
        offered = ", ".join(f"postgresql+{driver}" for driver in DRIVERS)
        if not uri.driver:
            raise BadInput(
                f"{name} names no driver, and which one '{scheme}://' means depends on the version of SQLAlchemy. "
                f"Write one of: {offered}."
            )
        if uri.dialect != "postgresql" or uri.driver not in DRIVERS:
            raise BadInput(f"{name} starts with '{scheme}', which is not offered. Write one of: {offered}.")
        if twice := sorted({key for key, _value in query} & {"user", "dbname", "hostaddr"}):
            raise BadInput(f"{name} names {twice[0]} as an option; it has a place of its own: {scheme}://USER@HOST/DB.")
        if "%" in parts.netloc.rpartition("@")[2]:
            raise BadInput(f"{name} holds an encoded host. The folder of a socket is an option: ?host=/run/postgresql.")
        hosts = _hosts(query)
        for _host, its_port in hosts:
            if its_port and not (re.fullmatch(r"[0-9]{1,5}", its_port) and 0 < int(its_port) < 65536):
                raise BadInput(f"{name} has the port '{its_port[:60]}', which is none between 1 and 65535.")
        for option, value in query:
            if option in _LIMITS and not re.fullmatch(r"-?[0-9]{1,9}", value):
                raise BadInput(f"{name} has the option {option}={value[:60]}; it must be a whole number.")
            if option == "sslmode" and value not in _SSLMODES:
                raise BadInput(f"{name} has sslmode={value[:60]}; libpq knows {', '.join(_SSLMODES)}.")
        first, its_port = hosts[0] if hosts else (None, None)
        host, port = uri.host or first, uri.port or (int(its_port) if its_port else None)
        if re.search(r"\s", parts.netloc.rpartition("@")[2]):
            raise BadInput(f"{name} has a space in its host.")
        if not (host and uri.user and uri.database):
            raise BadInput(f"{name} must name user, host and database: {scheme}://USER@HOST:5432/DATABASE.")
        if "\0" in uri.user + uri.database:
            raise BadInput(f"{name} holds a character that no name of PostgreSQL has.")
        return cls(uri.uri, uri.dialect, uri.driver, uri.user, host, port or 5432, uri.database, None, query)

    def replace(self, *, user: str | None = None, database: str | None = None) -> PostgreSQLUri:
        """The same server with another user or database, given as they are and not encoded."""
        changed = with_changed(self, user=user or self.user, database=database or self.database)
        return with_changed(changed, uri=changed._written(urlsplit(self.uri).scheme))

    def limited(self) -> PostgreSQLUri:
        """The same, so that a connection that was cut is noticed within seconds. What the URI itself says stays."""
        given = dict(self.query)
        unset = {
            name: value
            for name, value in _LIMITS.items()
            if name not in given and not (name.startswith("keepalives_") and given.get("keepalives") == "0")
        }
        if not unset:
            return self
        changed = with_changed(self, query=(*self.query, *unset.items()))
        return with_changed(changed, uri=changed._written(urlsplit(self.uri).scheme))

    def verified(self, ca_file: str) -> PostgreSQLUri:
        """The same, for a server that must show by TLS that it is the one, by a certificate of who is in that file."""
        options = (("sslmode", "verify-full"), ("sslrootcert", ca_file))
        others = tuple(pair for pair in self.query if pair[0] not in dict(options))
        changed = with_changed(self, query=(*options, *others))
        return with_changed(changed, uri=changed._written(urlsplit(self.uri).scheme))

    @property
    def libpq(self) -> str:
        """As libpq and its programs want it, with those limits."""
        limited = self.limited()
        if (hosts := _hosts(self.query)) and any(port for _host, port in hosts):
            # SQLAlchemy has a port with each host, libpq two lists.
            lists = (
                ("host", ",".join(host for host, _port in hosts)),
                ("port", ",".join(port or "5432" for _host, port in hosts)),
            )
            others = tuple(pair for pair in limited.query if pair[0] not in ("host", "port"))
            limited = with_changed(limited, query=(*others, *lists))
        return limited._written("postgresql")

    def _written(self, scheme: str) -> str:
        """A URI of PostgreSQL from its parts, each encoded once."""
        authority = urlsplit(self.uri).netloc.rpartition("@")[2]
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='/:,')}" for name, value in self.query)
        user, database = (quote(str(part), safe="") for part in (self.user, self.database))
        return f"{scheme}://{user}@{authority}/{database}" + (f"?{query}" if query else "")


def _hosts(query: tuple[tuple[str, str], ...]) -> list[tuple[str, str | None]]:
    """The hosts that a query names, each with its port where it says one."""
    names = [name for key, value in query if key == "host" for name in value.split(",")]
    ports = [port for key, value in query if key == "port" for port in value.split(",")]
    found: list[tuple[str, str | None]] = []
    for number, name in enumerate(names):
        match = re.fullmatch(r"([A-Za-z0-9.-]+):(\d+)", name)
        later = ports[number] if number < len(ports) else ports[0] if len(ports) == 1 else None
        found.append((match[1], match[2]) if match else (name, later or None))
    return found


def parse(uri: str, name: str = "the database uri") -> PostgreSQLUri:
    """
    :raises BadInput: see C(DatabaseUri.read) and C(PostgreSQLUri.complete).
    """
    return PostgreSQLUri.complete(DatabaseUri.read(uri, name), name)
