"""Errors of the engine. Each message is shown to the user as it stands: what happened, with which input, what to do next."""

from models.errors import ArchitectureError, LitePoseError, WeightsError

__all__ = [
    "ArchitectureError",
    "CompilerError",
    "LitePoseError",
    "SinkError",
    "SourceError",
    "UsageError",
    "WeightsError",
]


class UsageError(LitePoseError):
    """The command line or a call was given something that cannot be meant (exit code 2)."""

    exit_code = 2


class SourceError(LitePoseError):
    """A source of frames cannot be opened or has stopped."""


class SinkError(LitePoseError):
    """A recording, a keypoint file or a stream cannot be opened or written."""


class CompilerError(LitePoseError):
    """A network cannot be compiled for a target, or a compiled artifact cannot be loaded or stored."""
