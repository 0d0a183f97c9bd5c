# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases behind a server: what every kind can do (C(base.py)), the kinds, and MLflow's schema in them.

C(kinds.py) finds the class of a URI; nobody else asks which kind a database is. Knows SQL and nothing of servers,
snapshots or platforms. May import what stands directly in the engine's folder.
"""
