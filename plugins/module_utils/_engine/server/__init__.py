# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One tracking server: how it is launched, whether it is healthy, what it holds, and what proves it.

May import platforms, databases and storage; never snapshots or load tests.
"""
