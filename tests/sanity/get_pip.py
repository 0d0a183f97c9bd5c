#!/usr/bin/env python
"""Stands in for the installer of pip that ansible-test wants to fetch: does the same with the pip that Python ships."""

from __future__ import annotations

import ensurepip
import runpy
import sys
from pathlib import Path

wheel = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
sys.path.insert(0, str(wheel))
dropped = {"--no-setuptools", "--no-wheel"}
sys.argv = ["pip", "install", *(argument for argument in sys.argv[1:] if argument not in dropped)]
runpy.run_module("pip", run_name="__main__")
