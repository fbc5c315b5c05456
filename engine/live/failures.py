"""How the live loop words errors for the user."""

import traceback

from engine.errors import LitePoseError


def sentence(error: Exception) -> str:
    """Ours speak for themselves; others are mistakes of the program or of a driver."""
    if isinstance(error, LitePoseError):
        return str(error)
    return f"Something went wrong that should not: {type(error).__name__}: {error}."


def details(error: Exception) -> str:
    """The traceback of an error that does not speak for itself, for a log or a bug report."""
    return "" if isinstance(error, LitePoseError) else "".join(traceback.format_exception(error))
