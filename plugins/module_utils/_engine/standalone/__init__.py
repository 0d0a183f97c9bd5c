# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that are copied to hosts and images one by one: what starts, drains and extends a server.

Each is one file. They import the standard library only, never the engine, because it is not there where they run.
"""
