# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates by an authority of the deployment's own: how they are made, and when another is due.

The library is cryptography, without which ansible-core itself cannot be installed. When one ends is read without it:
a host of servers need not have it.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from .errors import BadInput, MissingLibrary

# A renewed authority keeps its key, so that nobody has to trust another one at once.
_AUTHORITY_TERM = timedelta(days=3650)
# Nobody renews but a deploy: a deployment that is left alone for so long, less a third, can no longer be reached.
_SERVER_TERM = timedelta(days=3 * 365)
# What ends sooner is spoken of. A deploy renews long before.
_SOON = timedelta(days=30)
# Clocks of nodes may be behind.
_BEFORE = timedelta(hours=1)
_SECONDS = 10.0
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
# Of ASN.1.
_VERSION = 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key, both as PEM."""

    certificate: str
    key: str = field(repr=False)


def new_authority(name: str, now: datetime | None = None) -> Pair:
    """An authority with a key of its own, and its term before it."""
    _x509, ec, _serialization = _library()
    return _authority(name, ec.generate_private_key(ec.SECP256R1()), now or datetime.now(UTC))


def renewed(authority: Pair, now: datetime | None = None) -> Pair:
    """The same authority for another term: who trusts either trusts what either has signed."""
    x509, _ec, serialization = _library()
    key = serialization.load_pem_private_key(authority.key.encode(), None)
    subject = x509.load_pem_x509_certificate(authority.certificate.encode()).subject
    (name,) = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return _authority(str(name.value), key, now or datetime.now(UTC))


def issue(authority: Pair, names: Sequence[str], now: datetime | None = None) -> Pair:
    """A certificate for a server, with a new key.

    :param names: and addresses of the server, as its clients write them; the first one may have 64 characters.
    """
    x509, ec, serialization = _library()
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    signer = x509.load_pem_x509_certificate(authority.certificate.encode())
    builder = (
        _builder(names[0], signer.subject, key, now, min(now + _SERVER_TERM, signer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(x509, digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _signed(builder, key, serialization.load_pem_private_key(authority.key.encode(), None))


def belong_together(pair: Pair) -> bool:
    """Whether certificate and key can be read, and are of each other."""
    x509, _ec, serialization = _library()
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
        key = serialization.load_pem_private_key(pair.key.encode(), None)
    except (ValueError, TypeError):
        return False
    return bool(certificate.public_key() == key.public_key())


def is_good(pair: Pair, authority: Pair, names: Sequence[str], now: datetime | None = None) -> bool:
    """Whether clients that trust the authority find just these names in the certificate, for some time yet."""
    if not belong_together(pair):
        return False
    x509, _ec, _serialization = _library()
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.encode()))
        own = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # the library has one for a signature, a name and a field each that are not those
        return False
    return set(own) == {_general_name(name) for name in names} and not is_due(pair.certificate, now)


def is_due(certificate: str, now: datetime | None = None) -> bool:
    """Whether less than a third of its term is left."""
    x509, _ec, _serialization = _library()
    found = x509.load_pem_x509_certificate(certificate.encode())
    start, end = found.not_valid_before_utc, found.not_valid_after_utc
    return bool((now or datetime.now(UTC)) > end - (end - start) / 3)


def ending(certificates: Mapping[str, str], now: datetime | None = None) -> tuple[list[str], list[str]]:
    """What is to be said of certificates, by the name of each: of those that have ended, and of those that soon will.

    :raises BadInput: one cannot be read.
    """
    now, ended, soon = now or datetime.now(UTC), [], []
    for name, text in certificates.items():
        try:
            end = end_of(text)
        except ValueError:
            raise BadInput(f"the certificate in {name} cannot be read") from None
        if end <= now:
            ended.append(f"that in {name} ended on {end:%Y-%m-%d}")
        elif end < now + _SOON:
            soon.append(f"that in {name} ends on {end:%Y-%m-%d}, in {(end - now).days} days")
    return ended, soon


def served(url: str) -> dict[str, str]:
    """What a server of this machine shows its clients, by its address; {} where it speaks no TLS.

    The file may be a newer one: a server reads it when it starts.

    :raises BadInput: nobody shows one.
    """
    place = urlsplit(url)
    if place.scheme != "https" or not place.hostname:
        return {}
    try:
        return {url: ssl.get_server_certificate((place.hostname, place.port or 443), timeout=_SECONDS)}
    except OSError as error:
        raise BadInput(f"{url} shows no certificate: {error.strerror or error}") from error


def end_of(text: str) -> datetime:
    """When a certificate ends; the first one where there are more, which is the server's own.

    :raises ValueError: there is none.
    """
    if not (found := _PEM.search(text)):
        raise ValueError("no certificate")
    try:
        [(_kind, signed)] = _der(ssl.PEM_cert_to_DER_cert(found[0]))
        content = _der(_der(signed)[0][1])
        # Version (which the first ones had not), number, algorithm, issuer, term.
        _start, (kind, end) = _der(content[4 if content[0][0] == _VERSION else 3][1])[:2]
        return datetime.strptime(end.decode("ascii"), _TIMES[kind]).replace(tzinfo=UTC)
    except LookupError:
        raise ValueError("cut off") from None


def _der(data: bytes) -> list[tuple[int, bytes]]:
    """What a value of ASN.1 holds, if that is a list: the kind of each and its content.

    :raises ValueError: it is none.
    """
    found, place = [], 0
    while place < len(data):
        length, begin = data[place + 1] if place + 1 < len(data) else -1, place + 2
        if length > 0x7F:
            count = length - 0x80
            length, begin = int.from_bytes(data[begin : begin + count]), begin + count
        if length < 0 or begin + length > len(data):
            raise ValueError("cut off")
        found.append((data[place], data[begin : begin + length]))
        place = begin + length
    if not found:
        raise ValueError("empty")
    return found


def _authority(name: str, key: Any, now: datetime) -> Pair:
    x509, _ec, _serialization = _library()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        _builder(name, subject, key, now, now + _AUTHORITY_TERM)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(x509, key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _signed(builder, key, key)


def _builder(name: str, issuer: Any, key: Any, now: datetime, end: datetime) -> Any:
    x509, _ec, _serialization = _library()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _general_name(name: str) -> Any:
    x509, _ec, _serialization = _library()
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(x509: Any, **meant: bool) -> Any:
    others = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{**dict.fromkeys(others, False), **meant})


def _signed(builder: Any, key: Any, signer: Any) -> Pair:
    _x509, _ec, serialization = _library()
    from cryptography.hazmat.primitives import hashes

    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(builder.sign(signer, hashes.SHA256()).public_bytes(encoding).decode(), private.decode())


def _library() -> tuple[Any, Any, Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise MissingLibrary("cryptography", "make certificates") from error
    return x509, ec, serialization
