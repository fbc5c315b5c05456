"""Errors that a user can cause. Each message is shown as it stands: what happened, with which input, what to do next."""


class LitePoseError(Exception):
    """Root of every error whose message is meant for the user. The command line prints it and exits with `exit_code`."""

    exit_code = 1


class ArchitectureError(LitePoseError):
    """A network description (YAML) is missing, malformed or describes an impossible network."""


class WeightsError(LitePoseError):
    """Weights are missing, unreadable, or do not fit the network."""
