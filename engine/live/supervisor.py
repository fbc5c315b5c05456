"""Keeps a source coming: opens it, watches over it, opens it again when it is lost, exchanges it for another one.

The supervisor's own thread starts and gives up readers; each reader has a thread of its own, so that a driver that never
comes back blocks nobody. Frames go from the reader's thread straight to their taker.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from engine.errors import SourceError
from engine.live.failures import details, sentence
from engine.live.options import EventKind
from engine.live.playback import Playback
from engine.live.reader import Reader, SourceFactory, SourceInfo
from engine.live.states import SessionState, StateMachine
from engine.sources import SourceSettings
from engine.types import Frame

logger = logging.getLogger(__name__)

Tell = Callable[[EventKind, str, str], None]
"""Kind, sentence for the user, traceback or nothing."""

TICK_S = 0.05
# How long to wait before each attempt to open a lost source; the last one repeats.
BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0)
# Opening and the first picture: a slow driver or a stream that waits for its first key frame takes seconds.
OPENING_S = 20.0
# A reader that does not end keeps its device busy: so long it is waited for before the device is opened again.
LEAVING_S = 2.0
MOST_LEAVING = 3


class FrameTaker(Protocol):
    """Where frames go."""

    def take_frame(self, frame: Frame, reader: Reader) -> None:
        """In the reader's thread. Waits only where `reader.live` is False, and no longer than `reader` is wanted."""

    def frame_damaged(self) -> None: ...

    def source_changed(self, info: SourceInfo, again: bool) -> None:
        """From now on frames come from this source. again: the one that was lost is back."""

    def source_ended(self) -> None: ...

    def source_failed(self, error: Exception) -> None:
        """There is no source any more and no use in trying again."""


class Purpose(Enum):
    """Why a source is being opened."""

    START = auto()
    RECONNECT = auto()
    SWITCH = auto()


@dataclass(frozen=True, slots=True)
class _Lost:
    reader: Reader
    error: Exception


@dataclass(frozen=True, slots=True)
class _Switch:
    text: str
    settings: SourceSettings
    real_time: bool


@dataclass(frozen=True, slots=True)
class _Promoted:
    """The reader that was being opened has given its first frame."""

    old: Reader | None
    purpose: Purpose


class Supervisor:
    """One for each run of a session. `current` is the reader whose frames count."""

    def __init__(
        self,
        make: SourceFactory,
        taker: FrameTaker,
        machine: StateMachine,
        tell: Tell,
        *,
        reconnect: bool = True,
        stall_s: float = 2.0,
        opening_s: float = OPENING_S,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
    ) -> None:
        self._make, self._taker, self._machine, self._tell = make, taker, machine, tell
        self._reconnect, self._stall_s = reconnect, stall_s
        self._opening_s, self._back_off_s = opening_s, back_off_s
        self._messages: queue.SimpleQueue[_Lost | _Switch | _Promoted] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._current: Reader | None = None
        self._opening: Reader | None = None
        self._purpose = Purpose.START
        self._wanted: _Switch | None = None
        self._had_source = False
        self._retry_at_s: float | None = None
        self._attempts = 0
        self._told_problem = ""
        self._leaving: list[tuple[Reader, float]] = []
        self._thread = threading.Thread(target=self._run, name="litepose-supervisor", daemon=True)

    @property
    def current(self) -> Reader | None:
        return self._current

    @property
    def playback(self) -> Playback | None:
        """Of the file that is being read; None for live sources."""
        reader = self._current
        return reader.playback if reader and reader.opened and not reader.live else None

    def start(self, text: str, settings: SourceSettings, real_time: bool) -> None:
        self._wanted = _Switch(text, settings, real_time)
        self._open(self._wanted, Purpose.START)
        self._thread.start()

    def switch(self, text: str, settings: SourceSettings, real_time: bool) -> None:
        """The old source goes on until the new one has given its first frame, and stays where it gives none."""
        self._machine.begin(SessionState.SWITCHING)
        self._messages.put(_Switch(text, settings, real_time))

    def stop(self) -> None:
        """Gives everything up; returns at once. Join afterwards."""
        self._stopping.set()
        with self._lock:
            readers = [reader for reader in (self._current, self._opening) if reader]
            self._current = self._opening = None
        for reader in readers:
            self._leave(reader)

    def join(self, deadline_s: float) -> list[str]:
        """Waits until time.monotonic() is `deadline_s`. -> names of the threads that have not ended."""
        threads: list[threading.Thread] = [self._thread, *(reader for reader, _ in self._leaving)]
        for thread in threads:
            if thread is not threading.current_thread() and thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))
        return [thread.name for thread in threads if thread.is_alive() and thread is not threading.current_thread()]

    # What readers say, in their threads.

    def frame_read(self, reader: Reader, frame: Frame) -> None:
        with self._lock:
            if reader is self._opening:
                old, self._current, self._opening = self._current, reader, None
                self._messages.put(_Promoted(old, self._purpose))
            elif reader is not self._current:
                return
        self._taker.take_frame(frame, reader)

    def source_ended(self, reader: Reader, problem: SourceError | None) -> None:
        if reader is not self._current and reader is not self._opening:
            return
        if reader is self._opening:
            self.source_lost(reader, problem or SourceError(f"“{reader.text}” holds no pictures."))
            return
        if problem is not None:
            self._tell(EventKind.WARNING, str(problem), "")
        self._taker.source_ended()

    def source_lost(self, reader: Reader, error: Exception) -> None:
        self._messages.put(_Lost(reader, error))

    def frame_damaged(self, reader: Reader) -> None:
        self._taker.frame_damaged()

    # The supervisor's own thread.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    message = self._messages.get(timeout=TICK_S)
                except queue.Empty:
                    self._watch()
                    continue
                match message:
                    case _Lost(reader, error):
                        self._lost(reader, error)
                    case _Switch():
                        self._switch(message)
                    case _Promoted(old, purpose):
                        self._promoted(old, purpose)
                self._watch()
        except Exception as error:
            self._taker.source_failed(error)

    def _watch(self) -> None:
        now_ns = time.monotonic_ns()
        self._leaving = [(reader, since) for reader, since in self._leaving if reader.is_alive()]
        opening, current = self._opening, self._current
        if opening and now_ns - opening.started_ns > self._opening_s * 1e9:
            what = "gives no picture" if opening.opened else "does not open"
            self._lost(opening, SourceError(f"“{opening.text}” {what}. Check that it is connected and switched on."))
        if current and current.live and current.last_frame_ns is not None:
            silent_s = (now_ns - current.last_frame_ns) / 1e9
            if silent_s > self._stall_s:
                self._lost(current, SourceError(f"“{self._name(current)}” has given no picture for {silent_s:.1f} s."))
        if self._retry_at_s is not None and time.monotonic() >= self._retry_at_s and self._may_open():
            assert self._wanted is not None
            self._retry_at_s = None
            self._open(self._wanted, Purpose.RECONNECT)

    def _may_open(self) -> bool:
        """False while an earlier reader may still hold the device."""
        now = time.monotonic()
        young = any(now - since < LEAVING_S for _, since in self._leaving)
        return not young and len(self._leaving) < MOST_LEAVING

    def _open(self, wanted: _Switch, purpose: Purpose) -> None:
        reader = Reader(wanted.text, wanted.settings, self._make, Playback(wanted.real_time), self)
        with self._lock:
            if self._stopping.is_set():
                return
            self._opening, self._purpose = reader, purpose
        reader.start()

    def _leave(self, reader: Reader) -> None:
        reader.abandon()
        self._leaving.append((reader, time.monotonic()))

    def _lost(self, reader: Reader, error: Exception) -> None:
        """Of the reader that is being opened or the current one; others are no news any more."""
        with self._lock:
            was_opening, was_current = reader is self._opening, reader is self._current
            if was_opening:
                self._opening = None
            if was_current:
                self._current = None
        if not (was_opening or was_current) or self._stopping.is_set():
            return
        self._leave(reader)
        if was_opening and self._purpose is Purpose.SWITCH:
            self._tell(EventKind.WARNING, f"{sentence(error)} The source before it stays.", details(error))
            self._machine.end(SessionState.SWITCHING)
            if self._current is None:
                self._lose(error, tell=False)
            return
        first = was_opening and self._purpose is Purpose.START
        if first or (was_current and not (reader.live and self._reconnect)):
            self._taker.source_failed(error)
        else:
            self._lose(error, tell=True)

    def _lose(self, error: Exception, *, tell: bool) -> None:
        """The wanted source is not there: tell it once, and try again later."""
        self._machine.set_condition(SessionState.RECONNECTING, True)
        problem = sentence(error)
        if tell and problem != self._told_problem:
            self._tell(EventKind.LOST, f"{problem} Trying to reconnect.", details(error))
            self._told_problem = problem
        if self._opening is None:
            self._retry_at_s = time.monotonic() + self._back_off_s[min(self._attempts, len(self._back_off_s) - 1)]
            self._attempts += 1

    def _switch(self, wanted: _Switch) -> None:
        with self._lock:
            opening, self._opening = self._opening, None
            # The same device cannot be opened twice; files can, but then the user wants the new settings anyway.
            same = self._current is not None and self._current.live and self._current.text == wanted.text
            current = self._current if same else None
            if same:
                self._current = None
        if opening is not None:
            self._leave(opening)
            if self._purpose is Purpose.SWITCH:
                self._machine.end(SessionState.SWITCHING)
        self._retry_at_s = None
        if current is not None:
            self._leave(current)
            current.join(LEAVING_S)
        if self._had_source or self._current is not None:
            self._open(wanted, Purpose.SWITCH)
        else:
            # Nothing to stay with: the user thought better of the first source.
            self._wanted = wanted
            self._machine.end(SessionState.SWITCHING)
            self._open(wanted, Purpose.START)

    def _promoted(self, old: Reader | None, purpose: Purpose) -> None:
        self._had_source = True
        if old is not None:
            self._leave(old)
        current = self._current
        if current is None or current.info is None:
            return
        self._wanted = _Switch(current.text, current.settings, current.playback.real_time)
        lost = self._machine.holds(SessionState.RECONNECTING)
        self._retry_at_s, self._attempts, self._told_problem = None, 0, ""
        self._machine.set_condition(SessionState.RECONNECTING, False)
        self._taker.source_changed(current.info, again=lost and purpose is Purpose.RECONNECT)
        if purpose is Purpose.SWITCH:
            self._machine.end(SessionState.SWITCHING)

    def _name(self, reader: Reader) -> str:
        return reader.info.name if reader.info else reader.text
