"""The states of a live session and which may follow which."""

import threading
from collections import deque
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

    changed: called after each change with the old and the new state, one change at a time and in their order, while no
             lock is held; it may change the state again.
    """

    ORDER = (SessionState.SWITCHING, SessionState.RECONNECTING, SessionState.PAUSED)

    def __init__(self, changed: Callable[[SessionState, SessionState], None] | None = None) -> None:
        self._state = SessionState.IDLE
        self._conditions: dict[SessionState, int] = dict.fromkeys(self.ORDER, 0)
        self._changed = changed or (lambda old, new: None)
        self._lock = threading.Lock()
        self._untold: deque[tuple[SessionState, SessionState]] = deque()
        self._telling = False

    @property
    def state(self) -> SessionState:
        return self._state

    def go(self, new: SessionState) -> None:
        """Moves on. Going where the machine already is changes nothing. RUNNING means: as the conditions say."""
        old = self._state
        if not self.try_go(new):
            raise RuntimeError(f"a session cannot go from {old} to {new}")

    def try_go(self, new: SessionState) -> bool:
        """As `go`, but answers False where the transition is not allowed: somebody else was faster."""
        with self._lock:
            allowed = self._move(new)
        self._tell()
        return allowed

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
        with self._lock:
            self._conditions[condition] = new_count(self._conditions[condition])
            # Before the first result the session is starting, whatever else is true.
            if self._state in ACTIVE and self._state is not SessionState.STARTING:
                self._move(SessionState.RUNNING)
        self._tell()

    def _move(self, new: SessionState) -> bool:
        """False where TRANSITIONS forbids it. The lock is held."""
        if new is SessionState.STARTING:
            self._conditions = dict.fromkeys(self.ORDER, 0)
        if new is SessionState.RUNNING:
            new = next((state for state in self.ORDER if self._conditions[state]), SessionState.RUNNING)
        if new is self._state:
            return True
        if new not in TRANSITIONS[self._state]:
            return False
        self._untold.append((self._state, new))
        self._state = new
        return True

    def _tell(self) -> None:
        """Whoever finds nobody telling tells all that is untold; nobody waits for a listener of another thread."""
        while True:
            with self._lock:
                if self._telling or not self._untold:
                    return
                self._telling = True
                change = self._untold.popleft()
            try:
                self._changed(*change)
            finally:
                with self._lock:
                    self._telling = False
