"""A network on its way in: another size, or the running size for another shape of input."""

import threading
from pathlib import Path

import numpy as np

from engine.assignment import best_pairs
from engine.errors import CompilerError
from engine.live.loader import Builder, BuildOrder, Estimator, EstimatorFactory, Job, Progress


class NetworkChange:
    """Loads and builds beside the thread that runs the network, which calls `advance` between two frames.

    Weights are loaded in one thread, a missing network is built in another one; only what touches TVM happens in
    `advance`, and takes some ten milliseconds once.

    estimator: the running one, where only its shape changes.
    build:     None: the estimator builds within `prepare`.
    """

    def __init__(
        self,
        size: str | Path,
        *,
        input_mode: str,
        threads: int | None,
        factory: EstimatorFactory,
        build: Builder | None,
        progress: Progress,
        estimator: Estimator | None = None,
    ) -> None:
        self.size = str(size)
        self.new = estimator is None
        self._input_mode, self._threads = input_mode, threads
        self._factory, self._build, self._progress = factory, build, progress
        self._estimator = estimator
        self._cancelled = threading.Event()
        self._loading = Job("litepose-loader", self._load) if estimator is None else None
        self._building: Job[None] | None = None
        self._built_for: tuple[int, int] | None = None

    def cancel(self) -> None:
        """From any thread: the result is not wanted any more."""
        self._cancelled.set()

    def jobs(self) -> list[threading.Thread]:
        """Threads to be joined after `cancel`."""
        return [job for job in (self._loading, self._building) if job is not None]

    def advance(self, frame_size: tuple[int, int] | None) -> Estimator | None:
        """-> the estimator once it is ready for frames of (width, height) pixels. Raises what went wrong on the way."""
        if self._estimator is None:
            assert self._loading is not None
            if not self._loading.done:
                return None
            self._estimator = self._loading.result()
        if self._building is not None:
            if not self._building.done:
                return None
            self._building.result()
            self._building = None
        if frame_size is None:
            return None
        if self._build is None:
            self._estimator.prepare(*frame_size)
        elif not self._estimator.prepare_if_built(*frame_size):
            self._order_build(self._build, frame_size)
            return None
        return self._estimator

    def _load(self) -> Estimator:
        # SciPy, where it is there, takes half a second to be imported; the first person must not wait for that.
        best_pairs(np.zeros((1, 1)))
        return self._factory(
            self.size,
            input_mode=self._input_mode,
            threads=self._threads,
            progress=self._progress,
        )

    def _order_build(self, build: Builder, frame_size: tuple[int, int]) -> None:
        if self._built_for == frame_size:
            raise CompilerError(
                f"The network {self.size} was built, but is not found in the cache. Check that the cache folder keeps files."
            )
        self._built_for = frame_size
        order = BuildOrder(self.size, self._input_mode, self._threads, *frame_size)
        self._building = Job("litepose-builder", lambda: build(order, self._progress, self._cancelled))
