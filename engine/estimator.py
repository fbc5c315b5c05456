"""Picture in, people out: one model size, compiled for the shapes that its sources need."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine import assignment
from engine.compiler import artifacts, targets
from engine.compiler.gpu import presets
from engine.compiler.gpu.opening import opener
from engine.compiler.runtime import CompiledNetwork
from engine.decode.grouping import GroupingSettings, group
from engine.errors import UsageError
from engine.preprocess import PADDING, InputShape, Placement, choose_shape, fill_input, place
from engine.types import Backend, Candidates, Poses, StageTimes
from models import checkpoints
from models.checkpoints import Checkpoint

ENGINES = ("tvm", "torch")


class Network(Protocol):
    """A network for one input shape, however it is run."""

    @property
    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR, the input; the caller writes into it."""

    def maps(self) -> tuple[Any, Any]:
        """(2J, H / 4, W / 4) heatmaps and tags, (J, H / 2, W / 2) heatmaps; readable with np.from_dlpack."""

    def candidates(self, maps: tuple[Any, Any]) -> Candidates: ...

    @property
    def backend(self) -> Backend:
        """What runs it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one frame gave.

    poses: in source pixels. times: milliseconds per stage. maps: both heads' outputs, for heatmap views and refinement;
    placement: where the frame lay in the network's input. backend: what ran the network.
    """

    poses: Poses
    times: StageTimes
    maps: tuple[Any, Any]
    placement: Placement
    backend: Backend


class _BuildRefusedError(Exception):
    """Raised out of the first step of a build that is not wanted now."""


class _Steps:
    """Tells the steps of a build, or lets none begin while `refused` is set."""

    def __init__(self, tell: artifacts.Progress | None) -> None:
        self._tell = tell
        self.refused = False

    def __call__(self, step: str) -> None:
        if self.refused:
            raise _BuildRefusedError(step)
        if self._tell is not None:
            self._tell(step)


@dataclass(slots=True)
class _Prepared:
    network: Network
    placement: Placement | None = field(default=None)


class PoseEstimator:
    """Finds the people in pictures. `PoseEstimator.load("xs")(image)` is all that most callers need.

    Not safe to call from several threads at once: it owns the network's input.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        open_network: Callable[[InputShape], Network],
        *,
        input_mode: str = "auto",
        settings: GroupingSettings | None = None,
        threads: int | None = None,
        steps: _Steps | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.skeleton = checkpoint.skeleton
        self.settings = settings or GroupingSettings.from_metadata(checkpoint.metadata, checkpoint.skeleton)
        self.input_mode = input_mode
        self.threads = threads or targets.default_threads()
        self._open_network = open_network
        self._steps = steps or _Steps(None)
        self._prepared: dict[InputShape, _Prepared] = {}
        choose_shape(
            1, 1, checkpoint.architecture.resolution, input_mode
        )  # a wrong mode is reported here, not at a frame

    @classmethod
    def load(
        cls,
        size: str | Path = "xs",
        *,
        engine: str = "tvm",
        input_mode: str = "auto",
        threads: int | None = None,
        device: str = "cpu",
        precision: str = "fp32",
        target: str | None = None,
        settings: GroupingSettings | None = None,
        progress: artifacts.Progress | None = None,
    ) -> "PoseEstimator":
        """Loads weights; the network of a shape is compiled, or read from the cache, when the first picture needs it.

        size:       "xs", "s", "m", "l", or a weights file.
        engine:     "tvm", or "torch" for the slow reference.
        input_mode: "auto" (nearest of five aspects), "square" (the paper's), or "WxH".
        device:     "cpu", "opencl", "cuda", or "auto" for a GPU if one can be used. See engine.compiler.gpu.devices.
        precision:  "fp32", or "fp16" or "int8" where the processor has its arithmetic; a GPU computes in fp32.
        target:     a preset's name; the one that fits the device if left out.
        progress:   called with a sentence at each step of a build.
        """
        return cls.from_checkpoint(
            checkpoints.load(size),
            engine=engine,
            input_mode=input_mode,
            threads=threads,
            device=device,
            precision=precision,
            target=target,
            settings=settings,
            progress=progress,
        )

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        *,
        engine: str = "tvm",
        input_mode: str = "auto",
        threads: int | None = None,
        device: str = "cpu",
        precision: str = "fp32",
        target: str | None = None,
        settings: GroupingSettings | None = None,
        progress: artifacts.Progress | None = None,
    ) -> "PoseEstimator":
        """As `load`, for weights that are already in memory."""
        if engine not in ENGINES:
            raise UsageError(f"Unknown engine “{engine}”. Choose one of {', '.join(ENGINES)}.")
        if engine == "torch":
            if device != "cpu":
                raise UsageError("The reference engine, torch, runs on the processor only. Leave the device out.")
            from engine.reference_network import ReferenceNetwork

            reference = ReferenceNetwork.opener(checkpoint)
            return cls(checkpoint, reference, input_mode=input_mode, settings=settings, threads=threads)
        for_processor = None if device != "cpu" and target in presets.available() else target
        compile_for = targets.load(for_processor, threads, precision=precision)
        if precision == "int8":
            checkpoint.activation_ranges()  # weights without them are reported here, not at a frame

        steps = _Steps(progress)

        def on_processor(shape: InputShape, progress: artifacts.Progress | None = steps) -> Network:
            artifact = artifacts.obtain(checkpoint, shape.height, shape.width, compile_for, progress)
            return CompiledNetwork(artifact, compile_for.threads, compile_for.records_name)

        open_network = opener(checkpoint, device, target, steps, on_processor)
        threads = compile_for.threads
        return cls(checkpoint, open_network, input_mode=input_mode, settings=settings, threads=threads, steps=steps)

    def shape_for(self, width: int, height: int) -> InputShape:
        """The input shape that a source of width × height pixels gets."""
        return choose_shape(width, height, self.checkpoint.architecture.resolution, self.input_mode)

    def prepare(self, width: int, height: int) -> InputShape:
        """Makes ready for frames of width × height pixels: builds or loads the network and runs it once."""
        shape = self.shape_for(width, height)
        if shape not in self._prepared:
            network = self._open_network(shape)
            network.picture[:] = PADDING
            network.candidates(network.maps())
            assignment.load()
            self._prepared[shape] = _Prepared(network)
        return shape

    def prepare_if_built(self, width: int, height: int) -> bool:
        """As `prepare`, for callers that have no time for a build. -> False where one is needed; nothing has changed then."""
        self._steps.refused = True
        try:
            self.prepare(width, height)
        except _BuildRefusedError:
            return False
        finally:
            self._steps.refused = False
        return True

    def __call__(self, image: NDArray[np.uint8]) -> Poses:
        """People in `image` (H, W, 3) uint8 BGR, in its pixels, best first."""
        return self.estimate(image).poses

    def estimate(self, image: NDArray[np.uint8]) -> Estimate:
        """As calling, with the time of each stage and the maps."""
        height, width = image.shape[:2]
        prepared = self._prepared[self.prepare(width, height)]
        network = prepared.network
        clock = [time.perf_counter()]

        if prepared.placement is None or prepared.placement.source != (width, height):
            prepared.placement = place(width, height, self.shape_for(width, height))
            network.picture[:] = PADDING
        fill_input(image, prepared.placement, network.picture)
        clock.append(time.perf_counter())
        maps = network.maps()
        clock.append(time.perf_counter())
        candidates = network.candidates(maps)
        clock.append(time.perf_counter())
        poses = prepared.placement.to_source(group(candidates, self.skeleton, self.settings))
        clock.append(time.perf_counter())

        names = ("resize", "network", "decode", "grouping")
        times = {name: (after - before) * 1e3 for name, before, after in zip(names, clock, clock[1:])}
        return Estimate(poses, StageTimes(times), maps, prepared.placement, network.backend)
