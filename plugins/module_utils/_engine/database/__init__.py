# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases behind a server: their schema and its migrations, rows, dumps and loads, SQLite and PostgreSQL.

Knows SQL and nothing of servers, snapshots or platforms. May import what stands directly in the engine's folder.
"""
