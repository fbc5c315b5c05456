"""Sources and networks for the tests of the live loop: as fast or as slow, as reliable or as broken as a test wants."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from engine.decode.grouping import GroupingSettings
from engine.estimator import Estimate
from engine.live import Event, EventKind, LiveOptions, LiveSession, SessionState
from engine.preprocess import choose_shape, place
from engine.sources import Source, SourceSettings
from engine.types import UNTRACKED, Backend, Frame, Poses, StageTimes
from models.skeleton import COCO_17

PATIENCE_S = 10.0


def wait_for(condition: Callable[[], object], what: str = "what was expected") -> None:
    """Gives busy machines time; fails with a sentence."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S:.0f} s"
        time.sleep(0.002)


class FakeSource(Source):
    """Gives what `script(source)` yields: a Frame's (width, height), an exception to raise, or a number of seconds to hang.

    fps: for live sources, the pace.
    """

    def __init__(self, script, settings, *, live=True, fps=200.0, name="fake", on_open=None, obeys=True) -> None:
        super().__init__(name, settings)
        self.live = live
        self._script, self._rate, self._on_open, self._obeys = script, fps, on_open, obeys
        self._steps: Iterator | None = None
        self._index = 0

    @property
    def is_open(self) -> bool:
        return self._steps is not None

    @property
    def fps(self) -> float:
        return self._rate

    def open(self) -> None:
        self._interrupted.clear()
        if self._on_open is not None:
            self._on_open()
        self._steps = self._script(self)
        self._index = 0

    def read(self) -> Frame | None:
        if self._steps is None or self._interrupted.is_set():
            return None
        if self.live and self._interrupted.wait(1.0 / self._rate):
            return None
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, (int, float)):
                if self._obeys:
                    self._interrupted.wait(step)
                else:
                    time.sleep(step)
                if self._interrupted.is_set():
                    return None
                continue
            width, height = step
            index, self._index = self._index, self._index + 1
            image = np.full((height, width, 3), index % 256, np.uint8)
            return Frame(image, index, time.monotonic_ns(), index / self._rate, self.name)
        return None

    def close(self) -> None:
        self._steps = None


class FakeVideo(FakeSource):
    """A file that can be sought."""

    def __init__(self, settings, frames=30, fps=200.0, size=(64, 48)) -> None:
        super().__init__(lambda source: iter([size] * frames), settings, live=False, fps=fps, name="video")
        self.frames, self._picture = frames, size

    @property
    def frame_count(self) -> int:
        return self.frames

    def seek(self, media_s: float) -> None:
        self._index = round(media_s * self.fps)
        self._steps = iter([self._picture] * (self.frames - self._index))


def endless(size=(64, 48)) -> Callable[[Source], Iterator]:
    def script(source):
        while True:
            yield size

    return script


class Sources:
    """A source factory: texts to functions that make a source of the settings. Counts what is open."""

    def __init__(self, **makers: Callable[[SourceSettings], Source]) -> None:
        self.makers = makers
        self.made: list[Source] = []

    def __call__(self, text: str, settings: SourceSettings) -> Source:
        source = self.makers[text](settings)
        self.made.append(source)
        return source

    def open_count(self) -> int:
        return sum(source.is_open for source in self.made)


class FakeEstimator:
    """One person in the middle of every picture; remembers what it was asked."""

    skeleton = COCO_17

    def __init__(self, size, *, input_mode="auto", threads=None, progress=lambda step: None, seconds=0.0) -> None:
        self.size, self.input_mode, self.progress, self.seconds = size, input_mode, progress, seconds
        self.settings = GroupingSettings()
        self.prepared: list[tuple[int, int]] = []
        self.estimated: list[int] = []
        # (size, width, height) of the networks that need no build; None: none does.
        self.built: list[tuple[str, int, int]] | None = None
        self.prepare_error: Exception | None = None
        self.estimate_error: Exception | None = None

    def shape_for(self, width, height):
        return choose_shape(width, height, 256, self.input_mode)

    def prepare(self, width, height):
        if self.prepare_error is not None:
            raise self.prepare_error
        self.prepared.append((width, height))
        return self.shape_for(width, height)

    def prepare_if_built(self, width, height):
        if self.built is not None and (self.size, width, height) not in self.built:
            return False
        self.prepare(width, height)
        return True

    def estimate(self, image) -> Estimate:
        if self.estimate_error is not None:
            raise self.estimate_error
        height, width = image.shape[:2]
        assert (width, height) in self.prepared, "a frame came before the network was ready for its shape"
        time.sleep(self.seconds)
        self.estimated.append(int(image[0, 0, 0]))
        return Estimate(
            one_person(width / 2, height / 2),
            StageTimes({"network": 1.0}),
            (None, None),
            place(width, height, self.shape_for(width, height)),
            Backend("CPU"),
        )


def one_person(x: float, y: float) -> Poses:
    keypoints = np.full((1, 17, 2), (x, y), np.float32) + np.arange(17, dtype=np.float32)[:, None]
    return Poses(
        keypoints,
        np.full((1, 17), 0.9, np.float32),
        np.full(1, 0.9, np.float32),
        np.full(1, UNTRACKED, np.int64),
        COCO_17,
    )


class Networks:
    """An estimator factory that keeps what it made. `hold` delays loading until it is set; `errors` are raised by size."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.made: list[FakeEstimator] = []
        self.errors: dict[str, Exception] = {}
        self.prepare_errors: dict[str, Exception] = {}
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, size, *, input_mode, threads, progress):
        self.hold.wait(PATIENCE_S)
        if size in self.errors:
            raise self.errors[size]
        estimator = FakeEstimator(size, input_mode=input_mode, progress=progress, seconds=self.seconds)
        estimator.prepare_error = self.prepare_errors.get(size)
        self.made.append(estimator)
        return estimator


class Watched:
    """A session on fakes, with everything that it said."""

    def __init__(self, sources: Sources, networks: Networks | None = None, **options) -> None:
        self.events: list[Event] = []
        self.sources, self.networks = sources, networks or Networks()
        options = {"source": next(iter(sources.makers)), "stall_s": 0.3, **options}
        self.session = LiveSession(
            LiveOptions(**options),
            self.events.append,
            source_factory=sources,
            estimator_factory=self.networks,
        )

    def __enter__(self) -> "Watched":
        self.session.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.session.stop()

    def texts(self, kind: EventKind) -> list[str]:
        return [event.text for event in self.events if event.kind is kind]

    def states(self) -> list[SessionState]:
        return [event.state for event in self.events if event.kind is EventKind.STATE]

    def wait_state(self, state: SessionState) -> None:
        wait_for(lambda: self.session.state is state, f"state {state} (now {self.session.state}, {self.events[-3:]})")

    def wait_event(self, kind: EventKind, count: int = 1) -> Event:
        wait_for(lambda: len(self.texts(kind)) >= count, f"event {kind}")
        return [event for event in self.events if event.kind is kind][count - 1]
