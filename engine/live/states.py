"""The states of a live session and which may follow which."""

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum


class SessionState(StrEnum):
    """What a session is doing, in one word for the user."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    RECONNECTING = "reconnecting"
    SWITCHING = "switching"
    STOPPING = "stopping"
    FAILED = "failed"

    @property
    def active(self) -> bool:
        """True while there is a source to read: everything between a start and a stop."""
        return self in ACTIVE


_S = SessionState
ACTIVE = frozenset({_S.STARTING, _S.RUNNING, _S.PAUSED, _S.RECONNECTING, _S.SWITCHING})

TRANSITIONS: Mapping[SessionState, frozenset[SessionState]] = {
    _S.IDLE: frozenset({_S.STARTING}),
    _S.STARTING: frozenset({_S.RUNNING, _S.PAUSED, _S.RECONNECTING, _S.SWITCHING, _S.STOPPING, _S.FAILED}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.RECONNECTING, _S.SWITCHING, _S.STOPPING, _S.FAILED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.SWITCHING, _S.STOPPING, _S.FAILED}),
    _S.RECONNECTING: frozenset({_S.RUNNING, _S.SWITCHING, _S.STOPPING, _S.FAILED}),
    _S.SWITCHING: frozenset({_S.RUNNING, _S.PAUSED, _S.RECONNECTING, _S.STOPPING, _S.FAILED}),
    _S.STOPPING: frozenset({_S.IDLE}),
    _S.FAILED: frozenset({_S.STARTING, _S.STOPPING}),
}


class StateMachine:
    """The one state of a session. Safe to use from several threads.

    While a session is active, several things can be true at once: the source is lost, a size is being loaded, the file
    is paused. Each is a condition that is raised and lowered by whoever knows about it; the state is the most telling
    one (SWITCHING, then RECONNECTING, then PAUSED), and RUNNING where there is none. A transition that is not in
    TRANSITIONS raises RuntimeError: it is a mistake in the program.

    changed: called after each change with the old and the new state, while no lock of the machine is held.
    """

    ORDER = (SessionState.SWITCHING, SessionState.RECONNECTING, SessionState.PAUSED)

    def __init__(self, changed: Callable[[SessionState, SessionState], None] | None = None) -> None:
        self._state = SessionState.IDLE
        self._conditions: dict[SessionState, int] = dict.fromkeys(self.ORDER, 0)
        self._changed = changed or (lambda old, new: None)
        self._lock = threading.Lock()
        # Changes are told one after the other, in their order; a listener may change the state again.
        self._telling = threading.RLock()

    @property
    def state(self) -> SessionState:
        return self._state

    def go(self, new: SessionState) -> None:
        """Moves on. Going where the machine already is changes nothing. RUNNING means: as the conditions say."""
        with self._telling:
            with self._lock:
                old = self._state
                if new is SessionState.STARTING:
                    self._conditions = dict.fromkeys(self.ORDER, 0)
                if new is SessionState.RUNNING:
                    new = self._told_by_conditions()
                if new is old:
                    return
                if new not in TRANSITIONS[old]:
                    raise RuntimeError(f"a session cannot go from {old} to {new}")
                self._state = new
            self._changed(old, new)

    def try_go(self, new: SessionState) -> bool:
        """As `go`, but answers False where the transition is not allowed: somebody else was faster."""
        with self._telling:
            if new is not self._state and new not in TRANSITIONS[self._state]:
                return False
            self.go(new)
            return True

    def set_condition(self, condition: SessionState, holds: bool) -> None:
        """PAUSED and RECONNECTING hold or do not hold."""
        self._change(condition, lambda count: int(holds))

    def begin(self, condition: SessionState) -> None:
        """One more reason for a condition: a size and a source may be switched at the same time."""
        self._change(condition, lambda count: count + 1)

    def end(self, condition: SessionState) -> None:
        """One reason less."""
        self._change(condition, lambda count: max(0, count - 1))

    def holds(self, condition: SessionState) -> bool:
        return self._conditions[condition] > 0

    def _change(self, condition: SessionState, new_count: Callable[[int], int]) -> None:
        with self._telling:
            with self._lock:
                self._conditions[condition] = new_count(self._conditions[condition])
                settled = self._state in ACTIVE and self._state is not SessionState.STARTING
            # Before the first result the session is starting, whatever else is true.
            if settled:
                self.go(SessionState.RUNNING)

    def _told_by_conditions(self) -> SessionState:
        return next((state for state in self.ORDER if self._conditions[state]), SessionState.RUNNING)
