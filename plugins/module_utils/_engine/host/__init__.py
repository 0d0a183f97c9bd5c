# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform host: processes of one machine, under systemd or supervisor.

Knows how to inspect it and where operations run there. May import database and storage, never another platform.
"""
