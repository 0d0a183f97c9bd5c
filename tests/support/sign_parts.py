"""Run with the Python of an MLflow: a large artifact in parts, as a server lets a client send them; JSON on output."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests
from mlflow.entities.multipart_upload import MultipartUploadPart
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.azure_blob_artifact_repo import AzureBlobArtifactRepository

PARTS, SIZE = 3, 5 << 20


def main() -> None:
    store: Any = AzureBlobArtifactRepository(sys.argv[1])
    content = [os.urandom(SIZE) for _ in range(PARTS)]
    try:
        begun = store.create_multipart_upload("model.bin", PARTS, "model")
    except MlflowException as error:
        print(json.dumps({"refused": type(error).__name__}))
        return
    answers = [
        requests.put(one.url, data=part, timeout=60) for one, part in zip(begun.credentials, content, strict=True)
    ]
    if bad := [answer for answer in answers if answer.status_code != 201]:
        print(json.dumps({"refused": bad[0].headers.get("x-ms-error-code", bad[0].status_code)}))
        return
    parts = [MultipartUploadPart(one.part_number, "", one.url) for one in begun.credentials]
    store.complete_multipart_upload("model.bin", begun.upload_id, parts, "model")
    with tempfile.TemporaryDirectory() as folder:
        read = Path(store.download_artifacts("model/model.bin", folder)).read_bytes()
    same = hashlib.sha256(read).digest() == hashlib.sha256(b"".join(content)).digest()
    print(json.dumps({"same": same, "bytes": len(read), "by": "skoid=" in begun.credentials[0].url}))


if __name__ == "__main__":
    main()
