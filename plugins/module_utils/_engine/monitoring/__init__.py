# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Monitoring: what a deployment's health, data, backups and volumes are like, as metrics for Prometheus.

C(readings.py) has the parts that are measured of a deployment, each by the code that operations use, C(fleet.py) what
is measured of a fleet; C(cache.py) measures them at intervals, so that a scrape costs the deployment nothing;
C(exporter.py) answers scrapes. May import snapshots, fleets and what is before them.
"""
