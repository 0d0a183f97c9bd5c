# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of images, as registries have them."""

from __future__ import annotations

import re

from .errors import BadInput

# A first part that has a dot or a port, or is localhost, is a host's.
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:)|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_IMAGE = re.compile(
    rf"(?:{_REGISTRY}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?", re.ASCII
)


def checked(text: str, what: str) -> str:
    """The name of an image, with a tag, a digest, both or neither.

    :param what: how messages call it, such as the variable.
    :raises BadInput: no program would take it for one.
    """
    if not _IMAGE.fullmatch(text):
        raise BadInput(
            f"{what} is '{text[:200]}', and no image can be called so: [REGISTRY/]NAME[:TAG][@sha256:DIGEST], the name "
            f"in lower case, the digest 64 digits and letters from a to f."
        )
    return text
