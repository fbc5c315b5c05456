"""From results to recordings and streams: drawn and handed on in a thread of its own, so that the network never waits."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.drawing import DrawingSettings, Trails
from engine.live.composition import Picture, picture_of
from engine.live.results import LiveResult
from engine.sinks.sink import Sink

# Results that wait hold their frames: half a second at 30 frames a second.
CAPACITY = 15


@dataclass(frozen=True, slots=True)
class Output:
    """A sink and what it takes."""

    sink: Sink
    picture: Picture


class Outlet:
    """Hands every result to every output, in order.

    failed: called in the outlet's thread when an output raised; it gets nothing more.
    wrote:  called in the outlet's thread after each write.
    """

    def __init__(
        self,
        drawing: DrawingSettings,
        failed: Callable[[Output, Exception], None],
        wrote: Callable[[Output], None],
    ) -> None:
        self.drawing = drawing
        self._failed, self._wrote = failed, wrote
        self._changed = threading.Condition()
        self._queue: deque[LiveResult | Callable[[], None]] = deque()
        self._waiting = 0
        self._outputs: list[Output] = []
        self._dropped = 0
        self._closing = False
        self._trails = Trails()
        self._thread = threading.Thread(target=self._run, name="litepose-output", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Results that found no room while there was an output."""
        return self._dropped

    @property
    def outputs(self) -> tuple[Output, ...]:
        return tuple(self._outputs)

    def offer(self, result: LiveResult, *, wait: bool) -> None:
        """wait: where there is no room, waits for it instead of dropping the result."""
        with self._changed:
            if not self._outputs and not self._queue:
                return
            if self._waiting >= CAPACITY:
                if not wait:
                    self._dropped += 1
                    return
                self._changed.wait_for(lambda: self._waiting < CAPACITY or self._closing)
            if not self._closing:
                self._queue.append(result)
                self._waiting += 1
                self._changed.notify_all()

    def add(self, *outputs: Output) -> None:
        """They get every result from now on, all from the same one on."""
        self._order(lambda: self._outputs.extend(outputs))

    def remove(self, output: Output, then: Callable[[], None] = lambda: None) -> None:
        """Gets every result up to now. then: called in the outlet's thread when it has got them."""

        def leave() -> None:
            if output in self._outputs:
                self._outputs.remove(output)
            then()

        self._order(leave)

    def close(self) -> None:
        """Ends the thread when what is waiting has been handed on; returns at once."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """-> whether the thread has ended."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _order(self, order: Callable[[], None]) -> None:
        with self._changed:
            self._queue.append(order)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._closing)
                if not self._queue:
                    return
                item = self._queue.popleft()
                if isinstance(item, LiveResult):
                    self._waiting -= 1
                self._changed.notify_all()
            if isinstance(item, LiveResult):
                self._hand_on(item)
            else:
                item()

    def _hand_on(self, result: LiveResult) -> None:
        frame = replace(result.frame, media_s=result.time_s)
        pictures: dict[Picture, NDArray[np.uint8] | None] = {Picture.NONE: None}
        for output in list(self._outputs):
            try:
                if output.picture not in pictures:
                    pictures[output.picture] = picture_of(result, self.drawing, output.picture, self._trails)
                output.sink.write(frame, result.poses, pictures[output.picture])
            except Exception as error:
                self._outputs.remove(output)
                self._failed(output, error)
            else:
                self._wrote(output)
