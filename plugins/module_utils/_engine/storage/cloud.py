# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""S3 and Azure Blob as object stores, through the library obstore."""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..connection import without_secret
from ..errors import BadInput, CannotRead, MissingLibrary, NotAllowed, SnapshotError, one_line
from ..http import ask_directly
from .base import Found, Gone, Store
from .folder import Folder

_PART = 8 << 20
_PARTS = 9000  # S3 allows 10,000
# What a store says of an error, in the XML that it answers with after the URL that was asked.
_SAID = re.compile(r"<Code>(\w{1,100})</Code>(?: ?<Message>([^<]{1,200}))?")
# The variable that names a file with whom to trust.
_TRUSTED = {"S3Store": "AWS_CA_BUNDLE", "AzureStore": "REQUESTS_CA_BUNDLE"}


@dataclass(frozen=True)
class Place:
    """Where a store is and how it is entered. Empty means what the environment or the cloud's identity says.

    :param uri: an absolute path, C(s3://bucket/prefix), C(az://container/prefix) or MLflow's
        C(wasbs://container@account.blob.core.windows.net/prefix).
    :param account: Azure's storage account.
    :param account_key: its key, a SAS token, or a connection string that holds one of these.
    :param encryption: S3's server-side encryption, C(AES256) or C(aws:kms), with C(kms_key).
    """

    uri: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    encryption: str | None = None
    kms_key: str | None = None
    account: str | None = None
    account_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        without_secret(self.uri, "The place of a store")
        without_secret(self.endpoint or "", "The endpoint of a store")

    @property
    def folder(self) -> str | None:
        """The path, where it is a folder."""
        return None if "://" in self.uri else self.uri


def connect(place: Place, *, create: bool = True) -> Store:
    """Open a store.

    :param create: whether a folder that is missing is created.
    :raises BadInput: the uri is of no kind that is offered.
    """
    if place.folder is not None:
        return Folder(place.folder, create=create)
    ask_directly(place.endpoint)
    scheme = urlsplit(place.uri).scheme
    if scheme == "s3":
        return Cloud(place, _s3(place))
    if scheme in ("az", "wasbs"):
        return Cloud(place, _azure(place))
    raise BadInput(
        f"'{place.uri}' is no place for objects: give an absolute path, s3://BUCKET/PREFIX or az://CONTAINER/PREFIX."
    )


class Cloud(Store):
    named_first = True

    def __init__(self, place: Place, store: Any) -> None:
        self.where = place.uri + (f" at {place.endpoint}" if place.endpoint else "")
        self._store = store
        self._library = _obstore()

    def _put(self, key: str, data: bytes) -> bool:
        try:
            self._library.put(self._store, key, data, mode="create", use_multipart=False)
        except self._library.exceptions.AlreadyExistsError:
            return False
        except Exception as error:
            raise self._refused(error, "write", key) from error
        return True

    def _put_stream(self, key: str, blocks: Iterable[bytes], size: int) -> None:
        part = max(_PART, -(-size // _PARTS))
        with _Feeder(blocks) as feeder:
            try:
                self._library.put(self._store, key, iter(feeder), chunk_size=part, max_concurrency=3)
            except Exception as error:
                if feeder.failure:
                    raise feeder.failure from error
                raise self._refused(error, "write", key) from error

    def _read(self, key: str) -> Iterator[bytes]:
        try:
            for block in self._library.get(self._store, key).stream(min_chunk_size=1 << 20):
                yield bytes(block)
        except FileNotFoundError as error:
            raise Gone(f"{key} is not in {self.where}.") from error
        except Exception as error:
            raise self._refused(error, "read", key) from error

    def _read_part(self, key: str, offset: int, length: int) -> bytes:
        try:
            return bytes(self._library.get_range(self._store, key, start=offset, length=length))
        except FileNotFoundError as error:
            raise Gone(f"{key} is not in {self.where}.") from error
        except Exception as error:
            raise self._refused(error, "read", key) from error

    def _find(self, key: str) -> Found | None:
        try:
            return _found(self._library.head(self._store, key))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._refused(error, "look at", key) from error

    def list(self, prefix: str) -> Iterator[Found]:
        try:
            for page in self._library.list(self._store, prefix.rstrip("/") or None):
                for meta in page:
                    yield _found(meta)
        except Exception as error:
            raise self._refused(error, "list", prefix or "everything") from error

    def _delete(self, key: str) -> None:
        try:
            self._library.delete(self._store, key)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._refused(error, "remove", key) from error

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store."""
        source, target = self._checked(source), self._checked(target)
        try:
            self._library.copy(self._store, source, target)
        except Exception as error:
            raise self._refused(error, "copy", source) from error

    def _refused(self, error: Exception, verb: str, key: str) -> SnapshotError:
        if isinstance(error, SnapshotError):
            return error
        names = self._library.exceptions
        text = one_line(str(error).split("\n\nDebug source", maxsplit=1)[0])
        kind: type[SnapshotError] = NotAllowed
        if isinstance(error, names.UnauthenticatedError):
            reason = "the keys are wrong"
        elif isinstance(error, names.PermissionDeniedError):
            reason = "the keys may not do this, or are wrong"
        elif any(word in text for word in ("SignatureDoesNotMatch", "InvalidAccessKeyId", "403 Forbidden")):
            reason = "the keys are wrong, or may not do this"
        elif "NoSuchBucket" in text:
            kind, reason = SnapshotError, "the bucket does not exist"
        elif "error sending request" in text or "tcp connect" in text or "timed out" in text:
            kind, reason = CannotRead, "it cannot be reached"
        elif said := _SAID.search(text):
            kind, reason = CannotRead, ": ".join(filter(None, said.groups()))[:300]
        else:
            kind, reason = CannotRead, text[:300]
        return kind(f"Cannot {verb} {key} in {self.where}: {reason}.")


class _Feeder:
    """Blocks that a thread of its own reads ahead.

    The library takes blocks from within its own threads, in which another of its calls (reading from another bucket)
    would be an error; and it turns an error of the source into one of its own, without its text.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.failure: BaseException | None = None
        self._blocks = blocks
        self._queue: queue.Queue[bytes | None] = queue.Queue(4)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self) -> _Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def __iter__(self) -> Iterator[bytes]:
        while (block := self._queue.get()) is not None:
            yield block
        if self.failure:
            raise OSError("the source failed")

    def _feed(self) -> None:
        try:
            for block in self._blocks:
                self._put(block)
                if self._stopped.is_set():
                    return
        except BaseException as error:
            self.failure = error
        self._put(None)

    def _put(self, block: bytes | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(block, timeout=0.5)
                return
            except queue.Full:
                continue


def _s3(place: Place) -> Any:
    parts = urlsplit(place.uri)
    if not parts.hostname:
        raise BadInput(f"'{place.uri}' names no bucket: write s3://BUCKET/PREFIX.")
    options: dict[str, Any] = {
        "endpoint": place.endpoint,
        "region": place.region,
        "access_key_id": place.access_key,
        "secret_access_key": place.secret_key,
        "sse_kms_key_id": place.kms_key,
    }
    if not place.endpoint:
        # A bucket with Object Lock takes no object without one. Not every store but AWS's knows it.
        options["checksum_algorithm"] = "SHA256"
    options |= {name: url for name, url in _in_china(place.region).items() if not options.get(name)}
    if place.encryption:
        options["aws_server_side_encryption"] = place.encryption
    return _open("S3Store", parts.netloc, parts.path, options, place.endpoint)


def _in_china(region: str | None) -> dict[str, str]:
    """Where AWS's regions of China are, which the library looks for below the domain of all others."""
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    if not region.startswith("cn-"):
        return {}
    sts = os.environ.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.amazonaws.com.cn"
    return {"endpoint": f"https://s3.{region}.amazonaws.com.cn", "endpoint_url_sts": sts}


def _azure(place: Place) -> Any:
    parts = urlsplit(place.uri)
    account, container = place.account, parts.netloc
    if parts.scheme == "wasbs":
        container, _at, host = parts.netloc.partition("@")
        account = account or host.partition(".")[0]
    if not container:
        raise BadInput(f"'{place.uri}' names no container: write az://CONTAINER/PREFIX.")
    options = {"account_name": account, "endpoint": place.endpoint, **_azure_login(place.account_key or "")}
    return _open("AzureStore", container, parts.path, options, place.endpoint)


def _azure_login(text: str) -> dict[str, str]:
    """A key of an account, a SAS token, or a connection string that holds one of these, as the library takes it."""
    parts = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
    if "AccountKey" in parts:
        return {"account_key": parts["AccountKey"]}
    sas = parts.get("SharedAccessSignature") or (text if "sig=" in text else "")
    return {"sas_key": sas.lstrip("?")} if sas else {"account_key": text}


def _open(kind: str, container: str, path: str, options: dict[str, Any], endpoint: str | None) -> Any:
    library = _obstore()
    client: dict[str, Any] = {
        "allow_http": bool(endpoint and endpoint.startswith("http:")),
        "connect_timeout": "10s",
    }
    if trusted := os.environ.get(_TRUSTED[kind]):
        # As its cloud's own library reads it, but beside those whom everybody trusts: another store may be elsewhere.
        client["root_certificate"] = _certificates(_TRUSTED[kind], trusted)
    retries = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
    given = {name: value for name, value in options.items() if value}
    try:
        return getattr(library.store, kind)(
            container, prefix=path.strip("/") or None, client_options=client, retry_config=retries, **given
        )
    except library.exceptions.BaseError as error:
        raise SnapshotError(f"{container} cannot be opened: {one_line(error, 300)}") from error


def _certificates(variable: str, file: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{variable} is {file}, which cannot be read: {error}.") from error


def _obstore() -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise MissingLibrary("obstore", "reach S3 or Azure Blob") from error
    return obstore


def _found(meta: Any) -> Found:
    return Found(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"])
