# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fingerprints of secrets: a restore can say whether it has the right one, a deploy whether pods have read the one that
there is, and nobody can read it from a snapshot or an annotation.

A passphrase may be guessable, so a plain hash would give it away to who tries many: scrypt with a salt makes that dear.
"""

from __future__ import annotations

import hashlib
import hmac
import os

_COST = {"n": 1 << 14, "r": 8, "p": 1}


def fingerprint(secret: bytes) -> str:
    """C(scrypt$SALT$HASH) of a secret."""
    salt = os.urandom(16)
    return f"scrypt${salt.hex()}${hashlib.scrypt(secret, salt=salt, **_COST, dklen=32).hex()}"


def matches(secret: bytes, known: str) -> bool:
    """Whether this is the secret that the fingerprint was taken of."""
    kind, salt, expected = known.split("$")
    if kind != "scrypt":
        return False
    found = hashlib.scrypt(secret, salt=bytes.fromhex(salt), **_COST, dklen=32).hex()
    return hmac.compare_digest(found, expected)


def compare(known: dict[str, str], given: dict[str, bytes]) -> dict[str, str]:
    """Per secret of a snapshot: C(same), C(another), or C(not given)."""
    return {
        name: "not given" if name not in given else "same" if matches(given[name], value) else "another"
        for name, value in known.items()
    }
