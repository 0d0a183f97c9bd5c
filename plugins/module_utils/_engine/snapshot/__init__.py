# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of databases and artifacts: written, pruned, verified, drilled and restored.

The format is in C(docs/snapshot_format.md). May import servers, databases and storage; never load tests.
"""
