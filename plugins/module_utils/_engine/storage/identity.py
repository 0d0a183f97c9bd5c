# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role of IAM that a pod reaches a bucket with (IRSA), and at which step it fails.

Asked when a bucket was refused: the server itself only says that something went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import EngineError, one_line
from ..tokens import whose
from . import bucket

ROLE, TOKEN = "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"
_ANNOTATION = "eks.amazonaws.com/role-arn"
# Other ways in which somebody has keys; their reasons are theirs.
_OTHERS = ("AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
_LONGEST = 16384


def refused(environ: Mapping[str, str]) -> str:
    """Why a pod has no role, or AWS does not give it; empty where it does, and where the keys are no role's."""
    return _missing(environ) or (_untrusted(environ) if environ.get(ROLE) else "")


def explain(uri: str, environ: Mapping[str, str]) -> str:
    """Why a pod is refused a bucket: it has no role, the role does not trust it, or has no right to bucket or key.

    :param uri: C(s3://bucket/prefix); of another store nothing is said.
    :returns: a sentence or more; empty where all of it works now, or the keys are no role's.
    """
    if not uri.startswith("s3://"):
        return ""
    if (reason := refused(environ)) or not environ.get(ROLE):
        return reason
    try:
        bucket.ensure(uri, bucket.Keys(environ.get("MLFLOW_S3_ENDPOINT_URL"), environ.get("AWS_DEFAULT_REGION")))
    except EngineError as error:
        return f"The pod has the role {environ[ROLE]}, and: {error}"
    return ""


def _missing(environ: Mapping[str, str]) -> str:
    """Why a pod has no identity; empty where it has one, or this is no pod."""
    if "KUBERNETES_SERVICE_HOST" not in environ or any(environ.get(name) for name in (ROLE, *_OTHERS)):
        return ""
    return (
        f"The pod has no role of IAM: its ServiceAccount lacks the annotation {_ANNOTATION}, or got it after the pod "
        f"had started, or the cluster is none of EKS. The annotation is from "
        f"mlflow_server_service_account_annotations (of backups: mlflow_backup_service_account_annotations); deploy, "
        f"and where the annotation was there already, run playbooks/restart.yml."
    )


def _untrusted(environ: Mapping[str, str]) -> str:
    """Why STS does not give the role for the pod's token; empty where it does."""
    role, file = environ[ROLE], environ.get(TOKEN, "")
    try:
        token = Path(file).read_text(encoding="ascii")[:_LONGEST].strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"The pod has the role {role}, but no token for it: {TOKEN} is '{file}': {error}."
    try:
        import boto3
        import botocore.config
        import botocore.exceptions
    except ImportError:
        return ""
    sts = boto3.client(
        "sts",
        region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        config=botocore.config.Config(connect_timeout=5, read_timeout=20, signature_version=botocore.UNSIGNED),
    )
    try:
        sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="mlflow-ops-health", WebIdentityToken=token)
    except botocore.exceptions.ClientError as error:
        said = error.response.get("Error", {})
        claims = whose(token)
        return (
            f"AWS does not give the pod the role {role} ({said.get('Code')}: {one_line(said.get('Message'), 400)}). "
            f"Its token is of {claims['sub']} for {claims['aud']}, by "
            f"{claims['iss']}: the trust policy of the role must name exactly this subject and audience, "
            f"and the account this issuer (eks_storage_namespace, eks_storage_server_account, "
            f"eks_storage_backup_account; eks_oidc_provider)."
        )
    except botocore.exceptions.BotoCoreError as error:
        return f"The pod has the role {role}, and STS cannot be asked for it: {one_line(error, 400)}."
    return ""
