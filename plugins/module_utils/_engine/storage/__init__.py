# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where objects lie: one interface over a folder, S3 and Azure Blob, and the bucket of an artifact store.

Knows keys and bytes, not what they mean. May import what stands directly in the engine's folder.
"""
