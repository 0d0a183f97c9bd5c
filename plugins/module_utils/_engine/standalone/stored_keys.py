# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which keys a server must do without, because what its database holds was encrypted before it had them.

MLflow encrypts keys of its gateway with a passphrase, and secrets of webhooks with a key. Without them it takes a
passphrase that everybody knows, and a key that each process makes for itself. What was stored under the known
passphrase stays readable only under that one.

The starter runs C(python -m mlops_mlflow_keys NAME…) with the environment that the server will have, before each start:
a restore may have brought a database of another deployment. It prints the names of variables that must go, one a line,
and what people should know as errors. It is copied to hosts and images as one file. Libraries are MLflow's, and are
imported where there is something to decrypt.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

PASSPHRASE, WEBHOOK_KEY = "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
# Of mlflow/utils/crypto.py; a test holds them against the pinned MLflow.
_KNOWN_PASSPHRASE = "mlflow-default-kek-passphrase-for-development-only"  # noqa: S105
_SALT, _ROUNDS, _NONCE = b"mlflow-secrets-kek-v1-2025", 600_000, 12
_GATEWAY = "SELECT wrapped_dek, kek_version FROM secrets"
_WEBHOOKS = "SELECT secret, webhook_id FROM webhooks WHERE secret IS NOT NULL AND deleted_timestamp IS NULL"
# MLflow itself waits so long for a database that is not there yet.
_PATIENCE = 90.0

_Rows = Callable[[str], list[tuple[Any, Any]]]


def without(env: Mapping[str, str], names: list[str], rows: _Rows) -> tuple[list[str], list[str]]:
    """The variables of C(names) that must go, and sentences for people.

    :param rows: the rows of a query; none where there is no such table yet.
    """
    gone, sentences = [], []
    if PASSPHRASE in names and (stored := rows(_GATEWAY)):
        own = [one for one in stored if _unwraps(env[PASSPHRASE], *one)]
        known = [one for one in stored if one not in own and _unwraps(_KNOWN_PASSPHRASE, *one)]
        if known and not own:
            gone.append(PASSPHRASE)
            sentences.append(
                f"{len(known)} keys of the gateway are encrypted with MLflow's published default passphrase, which is"
                f" kept, so that they stay readable: whoever has the database can read them. Remove them, restart the"
                f" server, which then takes this deployment's own passphrase, and enter them anew."
            )
        elif len(own) < len(stored):
            sentences.append(
                f"{len(stored) - len(own)} keys of the gateway are encrypted with another passphrase than this"
                f" deployment's, and cannot be used: put the right one into its file or Secret, or enter them anew."
            )
    if WEBHOOK_KEY in names and (lost := [row for row in rows(_WEBHOOKS) if not _decrypts(env[WEBHOOK_KEY], row[0])]):
        listed = ", ".join(f"'{webhook}'" for _secret, webhook in lost)
        sentences.append(
            f"{len(lost)} webhooks have secrets that this deployment's key does not open, and while they are there"
            f" MLflow lists none at all. Put the right key into its file or Secret; where it is lost, as that of a"
            f" server without one is with each restart, remove them from the table webhooks and make them anew:"
            f" {listed}."
        )
    return gone, sentences


def _unwraps(passphrase: str, wrapped: bytes, version: int) -> bool:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt = _SALT + int(version).to_bytes(4, "big")
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ROUNDS)
    try:
        AESGCM(key).decrypt(bytes(wrapped)[:_NONCE], bytes(wrapped)[_NONCE:], None)
    except (InvalidTag, ValueError):
        return False
    return True


def _decrypts(key: str, text: str) -> bool:
    from cryptography.fernet import Fernet, InvalidToken

    try:
        Fernet(key).decrypt(text.encode())
    except InvalidToken:
        return False
    return True


def _reader(uri: str) -> _Rows:
    """Reads a database of MLflow; any failure but that of a missing table is the driver's own error."""
    parts = urlsplit(uri)
    if parts.scheme.partition("+")[0] == "sqlite":
        return _SqliteRows(unquote(parts.path)[1:])
    return _PostgresqlRows(re.sub(r"^postgres(ql)?([+]\w+)?:", "postgresql:", uri))


class _SqliteRows:
    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, query: str) -> list[tuple[Any, Any]]:
        if not os.path.exists(self._path):
            return []
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such" in str(error):  # a table or column that this version of MLflow does not have
                    return []
                raise


class _PostgresqlRows:
    def __init__(self, uri: str) -> None:
        self._uri = uri

    def __call__(self, query: str) -> list[tuple[Any, Any]]:
        try:
            import psycopg as driver
        except ImportError:
            import psycopg2 as driver
        with contextlib.closing(driver.connect(self._uri)) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(query)
                return list(cursor.fetchall())
            except driver.Error as error:
                state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
                if state in ("42P01", "42703"):
                    return []
                raise


def patient(rows: _Rows, patience: float = _PATIENCE) -> _Rows:
    """Asks a database that does not answer again, for so many seconds."""
    end = time.monotonic() + patience

    def read(query: str) -> list[tuple[Any, Any]]:
        while True:
            try:
                return rows(query)
            except Exception as error:
                if time.monotonic() > end:
                    # Of the driver's own text the first line: others may quote what was asked.
                    raise SystemExit(f"mlops.mlflow: cannot read the database: {str(error).splitlines()[0]}") from None
                time.sleep(1.0)

    return read


def main(names: list[str]) -> None:
    rows = patient(_reader(os.environ["_MLFLOW_SERVER_FILE_STORE"]))
    gone, sentences = without(os.environ, names, rows)
    for sentence in sentences:
        sys.stderr.write(f"mlops.mlflow: {sentence}\n")
    sys.stdout.write("\n".join(gone) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
