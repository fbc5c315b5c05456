"""Starts, watches and ends the recording of a run."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import UsageError
from engine.live.failures import details, sentence
from engine.live.heaps import give_back
from engine.live.loader import Job
from engine.live.options import EventKind
from engine.live.outlet import Outlet, Output
from engine.live.recording import Recording
from engine.statistics import StatisticsCollector

Tell = Callable[[EventKind, str, str, tuple[Path, ...]], None]
"""Kind, sentence for the user, traceback or nothing, files."""


class RecordingControl:
    """One recording at a time. Files are finished in a thread of their own, because a slow disk may take its time."""

    def __init__(self, outlet: Outlet, statistics: StatisticsCollector, tell: Tell) -> None:
        self._outlet, self._statistics, self._tell = outlet, statistics, tell
        self._lock = threading.Lock()
        self._current: Recording | None = None
        self._ending: list[tuple[Recording, threading.Event]] = []
        self._finishers: list[Job[None]] = []
        self._recorded = self._dropped = 0

    @property
    def active(self) -> bool:
        return self._current is not None

    @property
    def recorded(self) -> int:
        """Frames in the videos of this run."""
        current = self._current
        return self._recorded + (current.recorded if current else 0)

    @property
    def dropped(self) -> int:
        """Frames that recordings of this run lost."""
        current = self._current
        return self._dropped + (current.dropped if current else 0)

    def start(self, recording: Recording) -> None:
        """Raises UsageError where one is running; the new one is closed then."""
        with self._lock:
            running = self._current is not None
            if not running:
                self._current = recording
        if running:
            recording.discard()
            raise UsageError("A recording is running. Stop it before starting another one.")
        self._outlet.add(*recording.outputs)
        self._tell(EventKind.RECORDING, f"Recording to “{recording.paths[0]}”.", "", recording.paths)

    def stop(self, wait_s: float = 0.0) -> bool:
        """-> whether all files are finished; those that are not are finished later, and told then."""
        with self._lock:
            recording, self._current = self._current, None
            if recording is not None:
                self._ending.append((recording, threading.Event()))
        if recording is not None:
            self._statistics.recording_stopped()
            outputs = list(recording.outputs)
            for output in outputs[:-1]:
                self._outlet.remove(output)
            self._outlet.remove(outputs[-1], lambda: self._finish(recording))
        deadline = time.monotonic() + wait_s
        with self._lock:
            waiting = [done for _, done in self._ending]
        return all(done.wait(max(0.0, deadline - time.monotonic())) for done in waiting)

    def jobs(self) -> list[Job[None]]:
        return list(self._finishers)

    def output_failed(self, output: Output, error: Exception) -> bool:
        """In the outlet's thread. -> whether the output belongs to a recording."""
        with self._lock:
            recordings = [self._current, *(recording for recording, _ in self._ending)]
        owner = next((each for each in recordings if each is not None and output in each.outputs), None)
        if owner is None:
            return False
        self._tell(EventKind.WARNING, sentence(error), details(error), ())
        if owner is self._current and not any(other in self._outlet.outputs for other in owner.outputs):
            self.stop()
        return True

    def output_wrote(self, output: Output) -> None:
        """In the outlet's thread."""
        current = self._current
        if current is not None and current.counts(output):
            self._statistics.recorded()

    def _finish(self, recording: Recording) -> None:
        self._finishers = [job for job in self._finishers if not job.done]
        self._finishers.append(Job("litepose-finisher", lambda: self._close(recording)))

    def _close(self, recording: Recording) -> None:
        errors = recording.close()
        for error in errors:
            self._tell(EventKind.WARNING, sentence(error), details(error), ())
        with self._lock:
            self._recorded += recording.recorded
            self._dropped += recording.dropped
            done = next(done for each, done in self._ending if each is recording)
            self._ending = [(each, event) for each, event in self._ending if each is not recording]
        kept = tuple(path for path in recording.paths if path.exists())
        self._tell(EventKind.RECORDING, _outcome(kept, complete=not errors), "", kept)
        done.set()
        give_back()


def _outcome(kept: tuple[Path, ...], *, complete: bool) -> str:
    if kept:
        return f"Recorded “{kept[0]}”."
    return "The recording is empty: there was no frame." if complete else "The recording could not be finished."
