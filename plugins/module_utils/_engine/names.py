# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names: hosts, origins, addresses, prefixes, objects of a cluster, parsed once into typed values and written out for
each consumer.

What could never match is refused, with the reason. Standard library only; imports nothing of the engine but errors.
"""

from __future__ import annotations

import ast
import ipaddress
import json
import re
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .errors import BadInput

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LIST = re.compile(r"""\[\s*(["'])""")
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9_*]([a-z0-9_*-]*[a-z0-9_*])?")


def as_list(value: Any, variable: str) -> list[str]:
    """The items of a list, whether it is one, text with commas, or a list in JSON, as surveys and C(-e) pass it.

    :raises BadInput: it is none of these.
    """
    if value is None:
        return []
    if isinstance(value, str):
        text = value.strip()
        if not (found := _LIST.match(text)):  # what begins with a bracket alone may be an IPv6 address
            return [item.strip() for item in text.split(",") if item.strip() and text != "[]"]
        try:
            # With single quotes it is how Jinja writes a list.
            value = json.loads(text) if found[1] == '"' else ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise BadInput(f"{variable} begins like a list in JSON, but is none: {text[:200]}") from None
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"{variable} must be a list, or text with commas, not a {type(value).__name__}.")
    if strange := [item for item in value if isinstance(item, bool) or not isinstance(item, (str, int, float))]:
        raise BadInput(f"{variable} must be a list of texts, and holds {str(strange[0])[:60]}.")
    return [part.strip() for item in value for part in str(item).split(",") if part.strip()]


def object_name(text: str, variable: str) -> str:
    """The name of an object of Kubernetes.

    :raises BadInput: no object can be called so.
    """
    if len(text) > 253 or not _OBJECT.fullmatch(text):
        raise BadInput(
            f"{variable} is '{text[:80]}', and no object of Kubernetes can be called so: lower-case letters, digits, - "
            f"and ., with a letter or digit at both ends."
        )
    return text


@dataclass(frozen=True)
class Host:
    """A name or address under which clients reach a server, or a pattern of them.

    :param name: in lower case as browsers send it, an IPv6 address in its shortest form and without brackets; C(*) in
        it stands for any text.
    :param port: None where any will do.
    :param spelled: as it was written: other programs than browsers send that.
    """

    name: str
    port: int | None = None
    spelled: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str, variable: str) -> Host:
        """C(NAME), C(NAME:PORT), C(NAME:*); a name may be C(*) or hold it, IPv6 addresses may be in brackets.

        :raises BadInput: no request could ever be for it.
        """

        def refuse(reason: str) -> NoReturn:
            raise BadInput(f"{variable} holds '{text}', which {reason}")

        if "://" in text or "/" in text:
            refuse("is a URL or a path: write the name alone, such as mlflow.example.com.")
        if re.search(r"\s", text):
            refuse("has a space in it: names are separated by commas.")
        if "@" in text:
            refuse("holds an @: a host is named without a user.")
        if text.startswith("["):
            match = re.fullmatch(r"\[([^\[\]]+)\](?::([0-9]{1,5}|\*))?", text)
            if not match:
                refuse("is no IPv6 address in brackets, such as [fd00::1] or [fd00::1]:5000.")
            name, port = match[1], match[2]
        elif text.count(":") > 1:
            name, port = text, None
        else:
            name, _colon, port = text.partition(":")
            if _colon and not re.fullmatch(r"[0-9]{1,5}|\*", port):
                refuse("has no number (or *) as port.")
        if "%" in name:
            refuse("holds a zone: that is a link of one host, and no client sends it.")
        if name == "*" and port not in (None, "", "*"):
            refuse("lets every name in, but at one port only: write * alone, or the names.")
        if name != "*" and "*" in name and not set(name) - set("*.:"):
            refuse("lets every name in, and every web page change data: write * alone, or the names.")
        number = int(port) if port and port != "*" else None
        if number is not None and not 0 < number < 65536:
            refuse("has a port that is not between 1 and 65535.")
        return cls(_host_name(name, refuse), number, name)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.name

    @property
    def everything(self) -> bool:
        return self.name == "*"

    def in_url(self) -> str:
        return f"[{self.name}]" if self.is_ipv6 else self.name

    def allowed(self) -> list[str]:
        """As entries of MLFLOW_SERVER_ALLOWED_HOSTS, of which one must equal the whole Host header with its port.

        An entry with C(*) in it is a pattern of fnmatch, to which a bracket begins a class of characters.
        """
        if self.everything:
            return ["*"]
        spelled = {} if self.is_ipv6 else {self.spelled: None}
        entries: list[str] = []
        for name in [self.in_url(), *[name for name in spelled if name and name != self.name]]:
            pattern = name.replace("[", "[[]", 1)
            bare = pattern if "*" in name else name
            if self.port is None:
                entries += [bare, f"{pattern}:*"]
            else:
                # Nobody sends the port that is understood.
                entries += [bare] if self.port in _DEFAULT_PORTS.values() else []
                entries.append(f"{bare}:{self.port}")
        return entries

    def origins(self) -> list[str]:
        """As entries of MLFLOW_SERVER_CORS_ALLOWED_ORIGINS that let the web page under this name send its requests.

        MLflow's own check takes an entry with C(*) for a pattern of fnmatch, Flask-CORS takes the same one for a
        regular expression without an end, which would let pages of C(mlflow.example.com.evil.example) read answers.
        So a pattern begins with C([!x]): not an x to fnmatch, but a ! or an x to Flask-CORS, which thus never matches,
        and need not: a page under the server's own name asks nobody.
        """
        if self.everything or self.name in LOOPBACK:
            return []  # loopback may always; and a * would let every web page change data
        entries: list[str] = []
        # A browser keeps the dot at the end of a name that somebody typed.
        as_typed = [self.in_url(), *([f"{self.name}."] if self.spelled.endswith(".") else [])]
        for scheme, name in product(_DEFAULT_PORTS, as_typed):
            plain = f"{scheme}://{name}"
            # A question mark is any one character to fnmatch, and no warning about a nested set to re.
            pattern = f"[!x]{plain[1:]}".replace("//[", "//?", 1)
            entry = pattern if "*" in self.name else plain
            if self.port is None:
                entries += [entry, f"{pattern}:*"]
            else:
                entries.append(entry if self.port == _DEFAULT_PORTS[scheme] else f"{entry}:{self.port}")
        return entries


@dataclass(frozen=True)
class Origin:
    """Where a web page comes from, as browsers say it: scheme, host and a port that is not understood."""

    scheme: str
    host: Host

    @classmethod
    def parse(cls, text: str, variable: str) -> Origin:
        """
        :raises BadInput: no browser ever names such an origin.
        """

        def refuse(reason: str) -> NoReturn:
            raise BadInput(f"{variable} holds '{text}', which {reason}")

        scheme, separator, rest = text.partition("://")
        if not separator or scheme.lower() not in _DEFAULT_PORTS:
            refuse("does not begin with http:// or https://, as every origin of a web page does.")
        if "/" in rest or "?" in rest or "#" in rest:
            refuse("holds more than scheme, host and port: an origin has no path, not even a / at its end.")
        if "*" in rest:
            refuse("holds a *: name every origin, or write * alone for any web page.")
        host = Host.parse(rest, variable)
        return cls(scheme.lower(), host)

    def __str__(self) -> str:
        port = "" if self.host.port in (None, _DEFAULT_PORTS[self.scheme]) else f":{self.host.port}"
        return f"{self.scheme}://{self.host.in_url()}{port}"


@dataclass(frozen=True)
class ListenAddress:
    """Where a server listens: an address or a name that stands for one, an IPv6 address without brackets."""

    name: str

    @classmethod
    def parse(cls, text: str, variable: str) -> ListenAddress:
        """
        :raises BadInput: nothing can listen there.
        """

        def refuse(reason: str) -> NoReturn:
            raise BadInput(f"{variable} is '{text}', which {reason}")

        name = text.strip()
        if name.startswith("[") and name.endswith("]"):
            name = name[1:-1]
        if "/" in name or name.startswith("["):
            refuse("is a URL, a path or an address with a port: give an address such as 127.0.0.1, 0.0.0.0 or ::1.")
        if name.count(":") == 1:
            refuse("holds a port: that is mlflow_server_port's.")
        if "*" in name:
            refuse("is no address: 0.0.0.0 listens on all of IPv4, :: on all of IPv6.")
        address, percent, zone = name.partition("%")
        if percent and (":" not in address or not re.fullmatch(r"[A-Za-z0-9._-]+", zone)):
            refuse("has a zone that no IPv6 address has, such as fe80::1%eth0.")
        return cls(_host_name(address, refuse) + percent + zone)

    @property
    def everywhere(self) -> bool:
        return self.name in ("0.0.0.0", "::")  # noqa: S104

    @property
    def local(self) -> str:
        """The name by which programs of the same host reach it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.name, self.name)  # noqa: S104

    def url(self, scheme: str, port: int, prefix: str = "") -> str:
        """The URL that programs of the same host use."""
        return f"{scheme}://{Host(self.local).in_url()}:{port}{prefix}"

    def with_port(self, port: int) -> str:
        return f"{Host(self.name).in_url()}:{port}"


def host_of_url(text: str, variable: str) -> Host:
    """The host of a URL of a server, with any port: proxies have their own.

    :raises BadInput: it is no such URL.
    """
    try:
        parts = urlsplit(text)
        more = parts.query or parts.fragment
        looks_right = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0 and not more
    except ValueError:
        looks_right = False
    if not looks_right:
        raise BadInput(
            f"{variable} must look like http://mlflow.example.com:5000 or https://mlflow.example.com/prefix."
        )
    if re.search(r"[\x00-\x20\x7f]", text):  # which some readers drop
        raise BadInput(f"{variable} holds a space, a line break or another character that no URL has.")
    if parts.username is not None or parts.password is not None:
        raise BadInput(f"{variable} holds credentials: a URL that others are told must not.")
    hostname = str(parts.hostname)
    return Host.parse(f"[{hostname}]" if ":" in hostname else hostname, variable)


def static_prefix(text: str, variable: str) -> str:
    """A path below which everything is published, such as C(/mlflow); empty for none.

    :raises BadInput: a proxy, a browser or MLflow's router would read it in another way.
    """

    def refuse(reason: str) -> NoReturn:
        raise BadInput(f"{variable} is '{text}', which {reason} It looks like /mlflow.")

    if not text:
        return ""
    if not text.startswith("/"):
        refuse("does not start with /.")
    if text.endswith("/"):
        refuse("must not end with /: leave it empty for none.")
    if re.search(r"\s", text):
        refuse("has a space in it.")
    if strange := sorted(set(re.sub(r"[A-Za-z0-9._~/-]", "", text))):
        refuse(f"holds {' '.join(strange)}: letters, digits, - . _ ~ and / are understood alike by everybody.")
    if {"", ".", ".."} & set(text[1:].split("/")):
        refuse("has a part that is empty, . or ..: browsers take those out.")
    return text


def _host_name(name: str, refuse: Any) -> str:
    """A name in the form in which browsers send it. C(refuse) is called with what is wrong."""
    lower = name.lower()
    if ":" in lower:
        if re.fullmatch(r"[0-9a-f:.]*\*[0-9a-f:.*]*", lower):
            return lower
        try:
            address = ipaddress.IPv6Address(lower)
            # Browsers write it so, and newer Pythons the last four bytes as those of IPv4.
            last = int(address) & 0xFFFFFFFF
            return f"::ffff:{last >> 16:x}:{last & 0xFFFF:x}" if address.ipv4_mapped else address.compressed
        except ValueError:
            refuse("is no IPv6 address.")
    if not lower.isascii():
        if different := re.search("[ß\u03c2\u200c\u200d]", lower):
            refuse(f"holds {different[0]!r}, which browsers and other programs send differently: write xn--... of it.")
        try:
            lower = lower.encode("idna").decode("ascii")
        except UnicodeError:
            refuse("is no name of a host.")
    lower = lower.removesuffix(".")
    labels = lower.split(".")
    if not lower or len(lower) > 253 or any(len(label) > 63 or not _LABEL.fullmatch(label) for label in labels):
        refuse("is no name of a host: letters, digits and - between dots.")
    if re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]):
        try:
            ipaddress.IPv4Address(lower)
        except ValueError:
            if "*" not in lower:
                refuse("is no IPv4 address, such as 192.0.2.10.")
    return lower
