# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load tests: what is asked of servers, where the load is made, the verdict and its reports.

May import servers and platforms; never snapshots.
"""
