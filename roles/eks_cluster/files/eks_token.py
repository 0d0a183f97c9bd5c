# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs in to an EKS cluster for kubectl and Ansible, as `aws eks get-token` does, with boto3 alone.

The token is a request to STS that its holder may make for a minute, and EKS believes for 14 more. Nothing is written.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import json

import boto3
from botocore.signers import RequestSigner

_HEADER = "x-k8s-aws-id"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--region", required=True)
    options = parser.parse_args()
    session = boto3.Session(region_name=options.region)
    sts = session.client("sts")
    service = sts.meta.service_model.service_id
    signer = RequestSigner(service, options.region, "sts", "v4", session.get_credentials(), session.events)
    request = {
        "method": "GET",
        "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {_HEADER: options.cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=options.region, expires_in=60, operation_name="")
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=14)
    status = {
        "token": "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("="),
        "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    print(
        json.dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "status": status})
    )


if __name__ == "__main__":
    main()
