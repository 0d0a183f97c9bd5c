# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform compose: containers of a Docker Engine, reached by its command line.

Completes and writes compose files, inspects an engine, and runs operations in containers.
Never imports another platform.
"""
