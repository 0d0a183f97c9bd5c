"""Answers of the emulator, held against botocore's description of the service. Runs in moto's environment."""

from __future__ import annotations

from typing import Any

from botocore.session import get_session
from botocore.validate import validate_parameters
from moto.core.responses import ActionResult

_model = get_session().get_service_model("eks")


def answer(operation: str, **content: Any) -> ActionResult:
    """
    :raises ParamValidationError: EKS never answers so.
    """
    validate_parameters(content, _model.operation_model(operation).output_shape)
    return ActionResult(content)
