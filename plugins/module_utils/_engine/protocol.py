# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said between who runs C(mlflow-ops) and it: the result's line, and how it is found in a log.

Below the platforms, which run it, and below the command line, which answers.
"""

from __future__ import annotations

import json
from typing import Any

from .errors import EngineError

PREFIX = "mlflow-ops: "


# An image whose major number is another is refused.
INTERFACE = "1.2"


def result_of(log: str) -> dict[str, Any]:
    """The result in a container's log.

    :raises EngineError: there is none, because the command died (the end of the log is in the message); or the image
        is another generation's.
    """
    for line in reversed(log.splitlines()):
        if line.startswith(PREFIX):
            try:
                found: dict[str, Any] = json.loads(line.removeprefix(PREFIX))
            except ValueError:
                break  # cut off, or another stream wrote into it
            interface = found.pop("interface", "none")
            if interface.partition(".")[0] != INTERFACE.partition(".")[0]:
                raise EngineError(
                    f"The image's mlflow-ops speaks interface {interface}, this collection {INTERFACE}: build the "
                    f"image anew with the playbook images of this collection."
                )
            return found
    end = " | ".join(log.strip().splitlines()[-5:])
    raise EngineError(f"mlflow-ops ended without a result. The end of its log: {end or 'it is empty'}")
