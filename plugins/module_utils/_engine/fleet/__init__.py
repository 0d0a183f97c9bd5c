# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets: thousands of instances in one namespace that differ by their name, and by little else.

What instances there are (declaration), what objects each consists of (rendering), what the cluster has of them
(existing), what differs (comparison), whether the cluster takes it (trial), making it so (applying, waiting, waves),
all of it in order (deploy); how they are (table, health).
May import the platform kubernetes; never snapshots or load tests.
"""
