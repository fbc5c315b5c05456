"""What the sections of a doctor's report are made of. Imports nothing that may be missing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """GOOD: as it should be. NOTE: works, but something is left out or worth knowing. FAULT: the program cannot work."""

    GOOD = "good"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    name, value: what was looked at, and what was found. remedy: what to do, a command where there is one; "" where
    nothing is to be done.
    """

    name: str
    value: str
    state: State = State.GOOD
    remedy: str = ""


Section = Callable[[], list[Finding]]
"""Looks at one part of the machine. Raises nothing that a broken installation may cause but ImportError."""
