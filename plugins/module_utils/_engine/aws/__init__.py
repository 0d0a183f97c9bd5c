# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWS: what an EKS cluster needs around it, and amazon.aws and community.aws have no modules for.

Each file is one kind of thing: compares what is there with what is requested, and calls what makes up the difference.
C(client.py) alone knows boto3. Never imports a platform.
"""
