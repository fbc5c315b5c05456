"""Builds a network for a GPU: its source text, launches and weights. The only module of this package that needs TVM."""

from dataclasses import dataclass

from engine.compiler.gpu.codegen import generate
from engine.compiler.gpu.memory import share
from engine.compiler.gpu.network import NetworkBuilder
from engine.compiler.gpu.presets import GpuTarget
from engine.compiler.gpu.program import Program, Step
from models.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Built:
    """source: of all kernels, in the target's language. weights: float32, in the order of the program's offsets."""

    source: str
    program: Program
    weights: bytes


def build_network(checkpoint: Checkpoint, height: int, width: int, target: GpuTarget) -> Built:
    """height, width: of the input in pixels, multiples of 16."""
    network = NetworkBuilder(checkpoint, height, width, target)
    network.build()
    source = generate(network.kernels, target)
    steps = [
        Step(call.kernel, tuple(call.buffers[name] for name in source.orders[call.kernel])) for call in network.calls
    ]
    buffers, steps_with_shared = share(network.buffers, steps)
    grids = {name: kernel.grid for name, kernel in network.kernels.items()}
    return Built(source.text, Program(grids, buffers, steps_with_shared, network.maps_calls), network.weights)
