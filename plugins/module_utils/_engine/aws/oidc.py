# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The identity provider in IAM of a cluster's issuer: with it IAM believes the tokens of service accounts (IRSA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadInput
from .client import AwsError, Service
from .tags import difference


def issuer_of(eks: Service, cluster: str) -> str | None:
    """The issuer of a cluster's tokens; None where there is no such cluster.

    :raises AwsError: the cluster has none yet.
    """
    found = eks.find("describe_cluster", name=cluster)
    if found is None:
        return None
    issuer = found["cluster"].get("identity", {}).get("oidc", {}).get("issuer")
    if not issuer:
        raise AwsError(
            f"The cluster {cluster} has no issuer yet: it is {found['cluster'].get('status')}. Wait until it is ACTIVE."
        )
    return str(issuer)


def provider(iam: Service, issuer: str) -> dict[str, Any] | None:
    """C(arn), C(client_ids) and C(tags) of what IAM believes an issuer by; None where it does not."""
    return _provider(iam, _name(issuer))


def ensure(
    iam: Service,
    issuer: str,
    client_ids: Sequence[str],
    tags: Mapping[str, object] | None,
    purge_tags: bool,
    check: bool = False,
) -> dict[str, Any]:
    """Let there be a provider of the issuer that accepts these audiences. Further ones that it accepts stay."""
    if not client_ids:
        raise BadInput(
            "client_ids is empty: a provider without an audience accepts no token. Leave it out for AWS STS."
        )
    name = _name(issuer)
    before = _provider(iam, name)
    if before is None:
        made = difference({}, tags, purge_tags).after
        after = {"arn": "", "client_ids": sorted(client_ids), "tags": made}
        if not check:
            created = iam.call(
                "create_open_id_connect_provider",
                Url=f"https://{name}",
                ClientIDList=list(client_ids),
                Tags=_as_list(made) or None,
            )
            after["arn"] = created["OpenIDConnectProviderArn"]
        return _result(issuer, None, after)
    arn = before["arn"]
    missing = [client_id for client_id in client_ids if client_id not in before["client_ids"]]
    changes = difference(before["tags"], tags, purge_tags)
    if not check:
        for client_id in missing:
            iam.call("add_client_id_to_open_id_connect_provider", OpenIDConnectProviderArn=arn, ClientID=client_id)
        if changes.set:
            iam.call("tag_open_id_connect_provider", OpenIDConnectProviderArn=arn, Tags=_as_list(changes.set))
        if changes.removed:
            iam.call("untag_open_id_connect_provider", OpenIDConnectProviderArn=arn, TagKeys=changes.removed)
    after = {"arn": arn, "client_ids": sorted([*before["client_ids"], *missing]), "tags": changes.after}
    return _result(issuer, before, after)


def without_cluster(
    cluster: str, client_ids: Sequence[str], tags: Mapping[str, object] | None, check: bool
) -> dict[str, Any]:
    """What C(ensure) would do for a cluster that a check run has not created.

    :raises BadInput: it is no check run, and nobody else says the issuer.
    """
    if not check:
        raise BadInput(
            f"There is no cluster {cluster} in this region and account, so that its issuer is unknown: correct cluster "
            f"and region, or give the issuer of a cluster that is no more."
        )
    made = difference({}, tags, purge=True).after
    return _result("", None, {"arn": "", "client_ids": sorted(client_ids), "tags": made})


def remove(iam: Service, issuer: str, check: bool = False) -> dict[str, Any]:
    """Let there be none: tokens of the cluster open nothing in AWS any more."""
    before = _provider(iam, _name(issuer))
    if before is not None and not check:
        iam.call("delete_open_id_connect_provider", OpenIDConnectProviderArn=before["arn"])
    return _result(issuer, before, None)


def trust(cluster: Mapping[str, Any], namespace: str, account: str | Sequence[str]) -> dict[str, Any]:
    """The trust policy of a role that only pods of one service account may assume, or of a few that are named.

    :param cluster: C(issuer), without its scheme, and C(oidc_provider).
    :raises BadInput: the cluster is not known, or an account is no single one.
    """
    if not cluster.get("issuer") or not cluster.get("oidc_provider"):
        raise BadInput("A role for pods needs the issuer of their cluster's tokens: run the role eks_cluster first.")
    accounts = [account] if isinstance(account, str) else list(account)
    for one in accounts or [""]:
        if not namespace or not one or set("*?") & set(namespace + one):
            raise BadInput(f"'{namespace}:{one}' is no service account: a role is for exactly those that are named.")
    issuer = cluster["issuer"]
    subjects = [f"system:serviceaccount:{namespace}:{one}" for one in accounts]
    tokens = {
        f"{issuer}:sub": subjects[0] if len(subjects) == 1 else subjects,
        f"{issuer}:aud": "sts.amazonaws.com",
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": cluster["oidc_provider"]},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": tokens},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _provider(iam: Service, name: str) -> dict[str, Any] | None:
    listed = iam.call("list_open_id_connect_providers")["OpenIDConnectProviderList"]
    arn = next((one["Arn"] for one in listed if one["Arn"].partition(":oidc-provider/")[2] == name), None)
    found = iam.find("get_open_id_connect_provider", OpenIDConnectProviderArn=arn) if arn else None
    if found is None:
        return None
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return {"arn": arn, "client_ids": sorted(found.get("ClientIDList", [])), "tags": tags}


def _name(issuer: str) -> str:
    """How IAM names the provider: the issuer without its scheme."""
    parts = urlsplit(issuer)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        raise BadInput(
            f"'{issuer}' is no issuer: give the URL that the cluster says, such as "
            f"https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE."
        )
    return parts.netloc + parts.path.rstrip("/")


def _result(issuer: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    present = after or {"arn": "", "client_ids": [], "tags": {}}
    return {
        "changed": before != after,
        "issuer": issuer,
        **present,
        "diff": {"before": before or {}, "after": after or {}},
    }


def _as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]
