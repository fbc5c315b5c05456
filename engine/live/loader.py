"""A network of another size, loaded and if need be built beside the one that is running."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

import engine
from engine.decode.grouping import GroupingSettings
from engine.errors import CompilerError
from engine.estimator import Estimate
from engine.preprocess import InputShape
from models.skeleton import Skeleton

logger = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[str], None]


class Estimator(Protocol):
    """What the loop needs of engine.estimator.PoseEstimator."""

    settings: GroupingSettings
    skeleton: Skeleton

    def shape_for(self, width: int, height: int) -> InputShape: ...

    def prepare(self, width: int, height: int) -> InputShape: ...

    def prepare_if_built(self, width: int, height: int) -> bool: ...

    def estimate(self, image: NDArray[np.uint8]) -> Estimate: ...


class EstimatorFactory(Protocol):
    """Loads the weights of a size, as PoseEstimator.load does. `progress` is called at each step of a build."""

    def __call__(
        self,
        size: str | Path,
        *,
        input_mode: str,
        threads: int | None,
        progress: Progress,
    ) -> Estimator: ...


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """Which network is missing: a size for frames of width × height pixels."""

    size: str
    input_mode: str
    threads: int | None
    width: int
    height: int


class Builder(Protocol):
    """Builds the network that an order names into the cache, and returns soon after `cancelled` is set."""

    def __call__(self, order: BuildOrder, progress: Progress, cancelled: threading.Event) -> None: ...


class Job(threading.Thread, Generic[T]):
    """A function in a thread of its own, whose result or error is asked for later."""

    def __init__(self, name: str, function: Callable[[], T]) -> None:
        super().__init__(name=name, daemon=True)
        self._function: Callable[[], T] | None = function
        self._result: list[T] = []
        self._error: Exception | None = None
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        assert self._function is not None
        try:
            self._result.append(self._function())
        except Exception as error:
            self._error = error
        finally:
            # What it worked on is not kept by whoever asks later whether it is done.
            self._function = None
            self._done.set()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def result(self) -> T:
        """Of a job that is done. Raises what the function raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]


def _end(process: "subprocess.Popen[str]") -> None:
    """Lets the build clear up after itself where it can."""
    process.terminate()
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def build_in_process(
    order: BuildOrder,
    progress: Progress,
    cancelled: threading.Event,
    device: str = "cpu",
    precision: str = "fp32",
) -> None:
    """Builds in a process of its own, for a device and a precision as PoseEstimator takes them.

    The compiler is large and busy: apart, it takes neither memory nor turns of the interpreter from the loop that goes
    on beside it, and it can be ended at any moment. Raises CompilerError and what the build raised.
    """
    package_root = str(Path(engine.__file__).resolve().parents[1])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH")))),
    }
    command = [sys.executable, "-m", "engine.live.build_worker", json.dumps(asdict(order)), device, precision]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        encoding="utf-8",
    )
    problem: dict[str, str] = {}
    complaints: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "step" in said:
                progress(said["step"])
            else:
                problem.update(said)

    def collect() -> None:
        assert process.stderr is not None
        complaints.extend(process.stderr)

    threads = [
        threading.Thread(target=target, name="litepose-build-output", daemon=True) for target in (listen, collect)
    ]
    for thread in threads:
        thread.start()
    with process:
        while process.poll() is None:
            if cancelled.wait(0.05):
                _end(process)
        for thread in threads:
            thread.join()
    if cancelled.is_set():
        return
    if problem:
        raise CompilerError(problem["error"])
    if process.returncode:
        last = complaints[-1].strip() if complaints else f"exit code {process.returncode}"
        logger.warning("building failed:\n%s", "".join(complaints))
        raise CompilerError(f"The network {order.size} could not be built: {last}. Start with -v to see more.")
