"""Opens networks on the device that was asked for."""

import logging
from collections.abc import Callable
from typing import Protocol

from engine.compiler.artifacts import Progress
from engine.compiler.gpu import devices, presets, store
from engine.compiler.gpu.fallback import FallbackNetwork, Network
from engine.compiler.gpu.runtime import GpuCompiledNetwork
from engine.preprocess import InputShape
from models.checkpoints import Checkpoint

log = logging.getLogger(__name__)
Opener = Callable[[InputShape], Network]


class ProcessorOpener(Protocol):
    """Opens networks on the processor; `progress`, where given, hears the steps of a build instead of the usual one."""

    def __call__(self, shape: InputShape, progress: Progress | None = ...) -> Network: ...


def opener(
    checkpoint: Checkpoint, device: str, target: str | None, progress: Progress | None, processor: ProcessorOpener
) -> Opener:
    """Opens networks on `device`, a word of devices.DEVICES; with "auto", on the processor where no GPU works.

    target: a GPU preset; another name is one for the processor, and is left to `processor`.
    Raises what devices.choose raises.
    """
    choice = devices.choose(device, target if device != "auto" or target in presets.available() else None)
    if choice is None:
        return processor

    def on_gpu(shape: InputShape) -> Network:
        network = store.obtain(checkpoint, shape.height, shape.width, choice.target, progress)
        return GpuCompiledNetwork(network, choice.device, choice.target.name)

    if device != "auto":
        return on_gpu
    # A GPU that fails while it runs leaves no time for asking where to build.
    return lambda shape: FallbackNetwork(
        lambda: on_gpu(shape), lambda: processor(shape), lambda: processor(shape, log.info)
    )
