"""The annotations of handlers, as Pydantic reads and describes them: what a body must be, and its schema."""

from gateway.annotations._adapters import adapter_of
from gateway.annotations._inputs import InputValidator, input_validator

__all__ = ("InputValidator", "adapter_of", "input_validator")
