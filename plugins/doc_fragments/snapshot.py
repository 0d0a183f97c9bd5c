# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Where snapshots are kept.
    DOCUMENTATION = r"""
options:
  destination:
    description:
      - Where snapshots are kept - the absolute path of a folder, V(s3://BUCKET/PREFIX), or V(az://CONTAINER/PREFIX).
      - One destination holds the snapshots of any number of deployments. Required without a runner.
    type: str
  endpoint:
    description:
      - URL of the S3 or Blob server. Empty means AWS or Azure.
    type: str
  region:
    description:
      - Region of the bucket.
    type: str
  access_key_file:
    description:
      - File on the host that holds the access key. Without it, the environment or the cloud's identity is used.
    type: path
  secret_key_file:
    description:
      - File on the host that holds the secret key of O(access_key_file).
    type: path
  encryption:
    description:
      - Server-side encryption that S3 is asked for.
    type: str
    choices: [AES256, "aws:kms"]
  kms_key:
    description:
      - Key for O(encryption=aws:kms). Without it, the bucket's default key.
    type: str
  account:
    description:
      - Azure's storage account.
    type: str
  account_key_file:
    description:
      - File on the host that holds the key of O(account). Without it, the environment or the cloud's identity is used.
    type: path
  name:
    description:
      - Name of the deployment. Snapshots carry it.
      - Without it V(mlflow), or what the runner says.
    type: str
requirements:
  - obstore, where the destination or the artifacts are in S3 or Blob
  - pyfastcdc and zstandard
  - psycopg or psycopg2, pg_dump and pg_restore, where the database is a PostgreSQL
notes:
  - The server's own interpreter has the libraries. With O(runner) it is used; otherwise set C(ansible_python_interpreter)
    to it, and the task needs nothing else.
"""

    # What is backed up, or restored to.
    DATA = r"""
options:
  database_uri:
    description:
      - SQLAlchemy URI of the backend store, with a driver and without a password.
    type: str
  auth_uri:
    description:
      - URI of the database of users and permissions. Empty where there is none.
    type: str
  database_password_file:
    description:
      - File on the host that holds the password of the user in O(database_uri) and O(auth_uri).
    type: path
  artifacts_uri:
    description:
      - Where the artifacts are - the absolute path of a folder, V(s3://BUCKET/PREFIX), or
        V(wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PREFIX).
      - Empty leaves the artifacts out.
    type: str
  artifacts_endpoint:
    description:
      - URL of the server of the artifacts' bucket. Empty means AWS or Azure.
    type: str
  artifacts_region:
    description:
      - Region of the artifacts' bucket.
    type: str
  artifacts_access_key_file:
    description:
      - File on the host that holds the access key of the artifacts' bucket.
    type: path
  artifacts_secret_key_file:
    description:
      - File on the host that holds the secret key of the artifacts' bucket.
    type: path
  artifacts_account:
    description:
      - Azure's storage account of the artifacts.
    type: str
  artifacts_account_key_file:
    description:
      - File on the host that holds the key of O(artifacts_account).
    type: path
  secrets:
    description:
      - Files on the host with secrets that a restored server needs, by name. Only a fingerprint of each is kept (scrypt,
        salted), so that a restore can say whether it has the right one. Keep the files themselves elsewhere.
    type: dict
  pg_bindir:
    description:
      - Folder of pg_dump and pg_restore. Empty means those in E(PATH). They must not be older than the server.
    type: path
  jobs:
    description:
      - How many tables pg_dump and pg_restore work on at once.
      - Without it V(2), or what the runner says.
    type: int
  scratch_dir:
    description:
      - Folder for a dump before it is stored. It needs room for the uncompressed database.
      - Empty means the destination, where it is a folder, and the system's temporary folder otherwise.
    type: path
"""
