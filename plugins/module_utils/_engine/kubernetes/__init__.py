# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform kubernetes: objects of a cluster, reached by its API.

Completes manifests, inspects a cluster, waits for roll-outs, and runs operations in pods.
Never imports another platform.
"""
