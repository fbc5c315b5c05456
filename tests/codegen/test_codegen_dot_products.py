"""What LLVM makes of a 1×1 convolution in 8 bits: the target's own instruction for dot products. Needs none of these
processors, and nothing that links for them."""

import re

import pytest
import tvm

from engine.compiler import targets, tiling
from engine.compiler.build import core_of
from engine.compiler.kernels.pointwise import QuantisedPointwise
from engine.compiler.tilings import build

OP = QuantisedPointwise(96, 24, 256, residual=False)
BY_LANE = re.compile(r"\bsdot\s+v\d+(?:\.4s)?, v\d+(?:\.16b)?, v\d+(?:\.4b)?\[[0-3]\]")  # Apple's form has no widths
ANY_SDOT = re.compile(r"\bsdot\b")


def assembly(name: str) -> str:
    target = targets.load(name, threads=1, here=False, precision="int8")
    core = core_of(target)
    kernel = build(OP, tiling.default(OP, core), core, "f")
    module = tvm.IRModule({"f": kernel})
    library = tvm.compile(module, target=tvm.target.Target({**target.tvm, "num-cores": 1}))
    text: str = library.mod.inspect_source("asm")
    return text


@pytest.mark.parametrize("name", ["rpi5", "jetson-orin", "snapdragon", "apple-silicon"])
def test_arm_takes_every_quad_of_inputs_from_a_lane(name: str) -> None:
    text = assembly(name)
    assert len(BY_LANE.findall(text)) >= 16
    assert len(BY_LANE.findall(text)) == len(ANY_SDOT.findall(text))


def test_avx2_uses_the_form_that_needs_no_avx_512() -> None:
    text = assembly("x86-64-v3")
    found = re.findall(r"vpdpbusd\s.*", text)
    assert len(found) >= 8
    assert all("ymm" in line for line in found)
    assert "zmm" not in text
    assert len(re.findall(r"\{vex\}\s+vpdpbusd", text)) == len(found)


def test_avx_512_computes_in_its_whole_registers() -> None:
    assert re.search(r"vpdpbusd\s.*zmm", assembly("x86-64-v4"))
