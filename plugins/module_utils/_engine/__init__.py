# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine: everything that is not Ansible, as plain, typed Python. A package is a subject.

Imports go one way: standalone < errors, http, secrets, connection, progress, protocol < storage < database < aws,
azure, host, compose, kubernetes < server < snapshot, load, fleet, alerts < monitoring < operations < cli. No package
imports one to its right or beside it; C(tests/unit/test_engine_imports.py) holds that.
"""
