# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts as data, and what Prometheus and Grafana are given of them: rules, and dashboards in ConfigMaps.

The series are those of C(mlflow-ops export) and of MLflow itself; nothing here asks a server. May import the general
files of the engine alone.
"""
