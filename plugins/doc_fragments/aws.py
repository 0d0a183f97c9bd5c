# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    # Matches AWS_ARGS of module_utils/_aws.py. The names are those of amazon.aws.
    DOCUMENTATION = r"""
options:
  region:
    description:
      - The region. Also from E(AWS_REGION), E(AWS_DEFAULT_REGION) or the profile.
    type: str
    aliases: [aws_region]
  profile:
    description:
      - A profile of C(~/.aws) on the host where the module runs, instead of keys. Also from E(AWS_PROFILE).
    type: str
    aliases: [aws_profile]
  access_key:
    description:
      - Whose key it is. Also from E(AWS_ACCESS_KEY_ID), a profile, or the role of the machine or pod.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description:
      - The key itself, which appears in no output. Also from E(AWS_SECRET_ACCESS_KEY).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description:
      - The token that belongs to temporary keys. Also from E(AWS_SESSION_TOKEN).
    type: str
    aliases: [aws_session_token]
  endpoint_url:
    description:
      - Where the services are, where that is not AWS. Also from E(AWS_ENDPOINT_URL).
    type: str
    aliases: [aws_endpoint_url]
  aws_ca_bundle:
    description:
      - File with the authorities whose certificates are believed. Also from E(AWS_CA_BUNDLE).
    type: path
  validate_certs:
    description:
      - Whether certificates are checked.
    type: bool
    default: true
  aws_config:
    description:
      - Settings of C(botocore.config.Config), such as C(proxies).
    type: dict
requirements:
  - boto3 1.44 or newer
notes:
  - The options are named as in amazon.aws, which is not needed. Modules run where they find boto3 and the credentials,
    mostly on the controller (C(delegate_to) V(localhost)).
"""
