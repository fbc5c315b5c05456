"""What LLVM makes of the kernels for 64-bit ARM: all operands in registers, and nearly nothing but multiply-adds."""

import shutil
from dataclasses import replace

import pytest

from engine.compiler import artifacts, linking, targets, tiling
from engine.compiler.build import core_of
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise
from engine.compiler.kernels.pointwise import Pointwise
from engine.compiler.tiling import Core
from engine.errors import CompilerError
from models import checkpoints
from tests.codegen.assembly import Loop, functions
from tests.codegen.hot_loops import LEAST, SHARE, hottest

ARM = Core(4, 32, 4, 1 << 18, load_store=True)


def test_only_an_arm_target_has_to_load_every_operand() -> None:
    assert core_of(targets.load("rpi4", here=False)).load_store
    assert not core_of(targets.load("x86-64-v4", here=False)).load_store


@pytest.mark.parametrize("outputs", [16, 24, 32, 48, 80, 160])
@pytest.mark.parametrize("pixels", [64, 96, 132, 256, 1024])
def test_a_tile_leaves_registers_for_its_weights_and_inputs(outputs: int, pixels: int) -> None:
    tile = tiling.default(Pointwise(96, outputs, pixels, residual=False), ARM).tile
    assert tile.vectors * tile.pixels + tile.vectors + tile.pixels < ARM.registers
    assert tile.vectors * tile.pixels >= 8


@pytest.mark.parametrize("side", [12, 16, 18, 22, 32, 44, 64])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_patch_leaves_registers_for_its_weights(side: int, stride: int) -> None:
    patch = tiling.default(ExpandDepthwise(32, 192, side * stride, side * stride, 7, stride), ARM).patch
    assert patch.rows * patch.columns + patch.rows * 7 < ARM.registers


@pytest.mark.parametrize("vectors", [4, 6, 10, 36])
@pytest.mark.parametrize("pixels", [12, 16, 64])
def test_a_tile_of_dot_products_holds_four_pixels_in_a_register(vectors: int, pixels: int) -> None:
    tile = tiling.tile(replace(ARM, dot_product="sdot"), vectors, pixels)
    assert tile.vectors * tile.pixels + tile.vectors + -(-tile.pixels // 4) < ARM.registers - tiling.SPARE
    assert tile.vectors * tile.pixels >= 12


@pytest.fixture(scope="module", params=["rpi4", "rpi5"])
def loops(request: pytest.FixtureRequest) -> dict[str, Loop]:
    return loops_of(request.param, "fp32")


def loops_of(name: str, precision: str) -> dict[str, Loop]:
    """The loop of each kernel of XS that has most multiply-adds."""
    if not shutil.which("llvm-objdump"):
        pytest.skip("llvm-objdump is missing")
    target = targets.load(name, here=False, precision=precision)
    try:
        linking.find_linker(target.triple)
    except CompilerError:
        pytest.skip("nothing here links for 64-bit ARM")
    artifact = artifacts.obtain(checkpoints.load("xs"), 256, 256, target)
    found = {name: hottest(name, code) for name, code in functions(artifact.library).items()}
    return {name: of_kernel[0] for name, of_kernel in found.items() if of_kernel}


def test_hot_loops_multiply_and_never_touch_the_stack(loops: dict[str, Loop]) -> None:
    assert len(loops) > 10
    assert all(loop.fmas >= LEAST for loop in loops.values())
    assert {name: loop.stack for name, loop in loops.items() if loop.stack} == {}
    assert {name: loop.share for name, loop in loops.items() if loop.share < SHARE} == {}


def test_dot_products_never_touch_the_stack_either() -> None:
    loops = loops_of("rpi5", "int8")
    # Expansions are so short in bytes that LLVM unrolls them whole, and keeps all their weights.
    found = {name: loop for name, loop in loops.items() if name.startswith(("quantisedpointwise", "quantiseddeconv"))}
    assert len(found) > 5
    assert all(any(i.is_dot_product for i in loop.instructions) for loop in found.values())
    assert {name: loop.stack for name, loop in found.items() if loop.stack} == {}
    assert {name: loop.share for name, loop in found.items() if loop.share < SHARE} == {}
