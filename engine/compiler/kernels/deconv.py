"""One step of the deconv head as a kernel."""

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import Expr, Tile, blocks, prim_func
from engine.compiler.kernels.product import output
from engine.compiler.kernels.quantised_upsampler import QuantisedUpsampler
from engine.compiler.kernels.upsampler import Deconv, QuantisedDeconv, Upsampler
from engine.compiler.kernels.winograd import WinogradUpsampler


@dataclass(frozen=True, slots=True)
class DeconvTiling:
    """tile: register tile of each of the matrix products."""

    tile: Tile


def upsampler(op: Deconv, tile: Tile, lanes: int) -> Upsampler:
    return (QuantisedUpsampler if isinstance(op, QuantisedDeconv) else WinogradUpsampler)(op, tile, lanes)


def deconv(op: Deconv, tiling: DeconvTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(the arguments of the upsampler, those of `output` for Y (O, 2H · 2W, lanes)). One task is one step of the upsampler."""

    def body() -> None:
        steps = upsampler(op, tiling.tile, lanes)
        shape = (blocks(op.outputs, lanes), 4 * op.height * op.width, lanes)
        store_value = output(shape, isinstance(op, QuantisedDeconv))

        with T.parallel(0, op.height // op.SIDE) as task:
            steps.allocate()
            first = 2 * op.SIDE * task

            def store(block: Expr, row: Expr, column: Expr, lane: Expr, value: Expr) -> None:
                store_value(value, [block, (first + row) * (2 * op.width) + column, lane])

            steps.emit(op.SIDE * task, store)

    return prim_func(name, body)
