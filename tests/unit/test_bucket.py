"""Bucket: what is proven of it, and the words for what goes wrong."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput, MissingLibrary
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage import bucket

KEYS = bucket.Keys(endpoint="http://store:7070")


class ClientError(Exception):
    """As botocore's: an answer, and the operation that got it."""

    def __init__(self, operation: str, code: str, status: int, message: str = "") -> None:
        super().__init__(operation)
        self.operation_name = operation
        self.response = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }


class BotoCoreError(Exception):
    pass


class NoCredentialsError(BotoCoreError):
    pass


class ParamValidationError(BotoCoreError):
    pass


class PartialCredentialsError(BotoCoreError):
    pass


ERRORS = (ClientError, BotoCoreError, NoCredentialsError, ParamValidationError, PartialCredentialsError)


class S3:
    """A bucket in memory. C(refusals): what an operation raises, the first one first."""

    def __init__(self, exists: bool = True, **refusals: list[Exception]) -> None:
        self.exists, self.refusals = exists, refusals
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.listed = ""

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if waiting := self.refusals.get(operation):
            raise waiting.pop(0)

    def list_objects_v2(self, Bucket: str, Prefix: str, MaxKeys: int) -> None:
        # Who may list his prefix alone asks for no more than that.
        self.listed = Prefix
        self._called("list_objects_v2")
        if not self.exists:
            raise ClientError("ListObjectsV2", "NoSuchBucket", 404)

    def create_bucket(self, Bucket: str) -> None:
        self._called("create_bucket")
        self.exists = True

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self._called("put_object")
        self.objects[Key] = Body
        self.last_key = Key

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self._called("get_object")
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_object(self, Bucket: str, Key: str) -> None:
        self._called("delete_object")
        del self.objects[Key]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a fake where boto3 would be, and time that does not pass."""

    def install(store: S3) -> S3:
        boto3, config, exceptions = (types.ModuleType(name) for name in ("boto3", "config", "exceptions"))
        boto3.client = lambda _kind, **_options: store  # type: ignore[attr-defined]
        config.Config = lambda **options: options  # type: ignore[attr-defined]
        for error in ERRORS:
            setattr(exceptions, error.__name__, error)
        botocore = types.ModuleType("botocore")
        botocore.config, botocore.exceptions = config, exceptions  # type: ignore[attr-defined]
        for name, module in {
            "boto3": boto3,
            "botocore": botocore,
            "botocore.config": config,
            "botocore.exceptions": exceptions,
        }.items():
            monkeypatch.setitem(sys.modules, name, module)
        return store

    monkeypatch.setattr(bucket.time, "sleep", lambda _seconds: None)
    return install


@pytest.mark.parametrize("uri", ["bucket", "/mnt/artifacts", "s3:///prefix", "gs://bucket", ""])
def test_what_is_no_bucket_is_refused_before_anything_is_imported(uri: str) -> None:
    with pytest.raises(BadInput, match="is no bucket: write s3://bucket/prefix"):
        bucket.ensure(uri, KEYS)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingLibrary, match="boto3 is needed to look at the bucket"):
        bucket.ensure("s3://bucket", KEYS)


@pytest.mark.parametrize(("uri", "place"), [("s3://b", ""), ("s3://b/", ""), ("s3://b/team/a/", "team/a/")])
def test_it_is_proven_by_writing_reading_and_removing_where_artifacts_go(uri: str, place: str, serve: Any) -> None:
    store = serve(S3())
    assert bucket.ensure(uri, KEYS) == {"bucket": "b", "changed": False}
    assert store.calls == ["list_objects_v2", "put_object", "get_object", "delete_object"]
    assert store.listed == place
    assert store.last_key.startswith(f"{place}.mlops-mlflow-probe-")
    assert store.objects == {}


def test_a_missing_bucket_is_created_where_that_is_wanted(serve: Any) -> None:
    store = serve(S3(exists=False))
    assert bucket.ensure("s3://b", KEYS, create=True) == {"bucket": "b", "changed": True}
    assert store.calls[:3] == ["list_objects_v2", "create_bucket", "put_object"]


def test_a_check_looks_only_whether_it_is_there(serve: Any) -> None:
    store = serve(S3(exists=False))
    assert bucket.ensure("s3://b", KEYS, create=True, check=True) == {"bucket": "b", "changed": True}
    store.exists = True
    assert bucket.ensure("s3://b", KEYS, check=True)["changed"] is False
    assert set(store.calls) == {"list_objects_v2"}


def test_a_missing_bucket_is_not_created_otherwise_and_the_remedy_is_named(serve: Any) -> None:
    store = serve(S3(exists=False))
    with pytest.raises(bucket.BucketError) as refused:
        bucket.ensure("s3://b", KEYS)
    for words in ("bucket b at http://store:7070", "does not exist", "mlflow_artifact_store_create_bucket"):
        assert words in str(refused.value)
    assert "create_bucket" not in store.calls


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        ("list_objects_v2", ClientError("ListObjectsV2", "AccessDenied", 403), "the keys may not do this"),
        ("put_object", ClientError("PutObject", "SignatureDoesNotMatch", 403), "the secret key is wrong"),
        ("put_object", ClientError("PutObject", "InvalidAccessKeyId", 403), "the access key is unknown there"),
        ("delete_object", ClientError("DeleteObject", "AccessDenied", 403), "the keys may not do this"),
        ("put_object", ClientError("PutObject", "QuotaExceeded", 507, "The volume is full."), "The volume is full."),
        ("put_object", ClientError("PutObject", "Strange", 501), "Strange"),
        ("create_bucket", ClientError("CreateBucket", "BucketAlreadyExists", 409), "BucketAlreadyExists"),
        ("list_objects_v2", NoCredentialsError("none"), "no keys were given"),
        ("list_objects_v2", ParamValidationError("Invalid bucket name"), "cannot be used: Invalid bucket name"),
    ],
)
def test_a_refusal_names_the_step_and_the_cause(operation: str, error: Exception, words: str, serve: Any) -> None:
    # It would pass the second time, but nobody asks twice.
    serve(S3(operation != "create_bucket", **{operation: [error]}))
    with pytest.raises(bucket.BucketError) as refused:
        bucket.ensure("s3://b", KEYS, create=True, wait_seconds=60)
    assert words in str(refused.value)
    if isinstance(error, ClientError):
        assert f"{error.operation_name} was refused" in str(refused.value)


def test_a_probe_is_removed_even_when_it_cannot_be_read(serve: Any) -> None:
    store = serve(S3(get_object=[ClientError("GetObject", "AccessDenied", 403)]))
    with pytest.raises(bucket.BucketError):
        bucket.ensure("s3://b", KEYS)
    assert store.objects == {}


def test_an_endpoint_that_comes_up_is_waited_for(serve: Any) -> None:
    serve(S3(list_objects_v2=[BotoCoreError("Connection refused"), BotoCoreError("Connection refused")]))
    assert bucket.ensure("s3://b", KEYS, wait_seconds=60)["changed"] is False


def test_an_endpoint_that_stays_away_is_named(serve: Any) -> None:
    serve(S3(list_objects_v2=[BotoCoreError("Connection refused")] * 2))
    with pytest.raises(bucket.BucketError, match=r"http://store:7070 cannot be reached: Connection refused"):
        bucket.ensure("s3://b", KEYS, wait_seconds=-1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("operation", ["list_objects_v2", "create_bucket", "put_object", "get_object", "delete_object"])
def test_a_store_that_is_being_replaced_is_waited_for(operation: str, status: int, serve: Any) -> None:
    passing: list[Exception] = [
        ClientError(operation, str(status), status, "Service Unavailable") for _time in range(2)
    ]
    store = serve(S3(exists=False, **{operation: passing}))
    assert bucket.ensure("s3://b", KEYS, create=True, wait_seconds=60)["changed"] is True
    assert store.calls[-1] == "delete_object" and store.objects == {}


def test_a_store_whose_errors_do_not_pass_is_named_with_the_last(serve: Any) -> None:
    serve(S3(put_object=[ClientError("PutObject", "InternalError", 500, "We are sorry.")]))
    with pytest.raises(bucket.BucketError, match=r"PutObject was refused \(InternalError\): We are sorry\."):
        bucket.ensure("s3://b", KEYS, wait_seconds=-1)


def test_a_bucket_whose_creation_was_answered_with_an_error_is_ours(serve: Any) -> None:
    store = serve(S3(exists=False))
    make = store.create_bucket

    def made_unheard(Bucket: str) -> None:
        make(Bucket)
        raise ClientError("CreateBucket", "BucketAlreadyOwnedByYou", 409)

    store.create_bucket = made_unheard
    assert bucket.ensure("s3://b", KEYS, create=True) == {"bucket": "b", "changed": True}
