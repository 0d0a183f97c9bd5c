# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets: thousands of instances in one namespace that differ by their name, and by little else.

What instances there are (declaration), what objects each consists of (rendering), what the cluster has of them
(existing), what differs (comparison), making it so (applying, waiting), all of it in order (deploy).
May import the platform kubernetes; never snapshots or load tests.
"""
