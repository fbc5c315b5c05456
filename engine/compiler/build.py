"""Compiles a network for one input shape and target into a shared library. The only module that needs TVM's compiler."""

from pathlib import Path
from typing import Any

import tvm
from tvm import relax

from engine.compiler.linking import linker
from engine.compiler.quantised_graph import graph_builder
from engine.compiler.targets import Target
from engine.compiler.tiling import Core
from engine.compiler.tilings import Tilings
from models.checkpoints import Checkpoint


@tvm.transform.module_pass(opt_level=0, name="LitePosePipeline")  # type: ignore[untyped-decorator]
def _pipeline(module: tvm.IRModule, _: Any) -> tvm.IRModule:
    """From Relax to the virtual machine. TVM's default pipeline also fuses and schedules operators, which are ours already."""
    r = relax.transform
    passes = [
        r.ToNonDataflow(),
        r.RemovePurityChecking(),
        r.CallTIRRewrite(),
        r.StaticPlanBlockMemory(),
        r.LowerAllocTensor(),
        r.KillAfterLastUse(),
        r.LowerRuntimeBuiltin(),
        r.ComputePrimValue(),
        r.VMShapeLower(),
        r.AttachGlobalSymbol(),
    ]
    return tvm.transform.Sequential(passes)(module)


def core_of(target: Target) -> Core:
    return Core(
        target.vector_lanes,
        target.registers,
        target.threads,
        target.second_level_bytes,
        target.elements,
        load_store=target.architecture == "aarch64",
        dot_product=target.dot_product if target.precision == "int8" else None,
    )


def compile_network(checkpoint: Checkpoint, height: int, width: int, target: Target, library: Path) -> None:
    """Writes the shared library. height, width: of the input in pixels, multiples of 16."""
    core = core_of(target)
    module = graph_builder(checkpoint, height, width, core, Tilings(core, target.tuned)).build()
    tvm_target = tvm.target.Target({**target.tvm, "num-cores": target.threads})
    with tvm_target:
        executable = relax.build(module, target=tvm_target, relax_pipeline=_pipeline)
    executable.export_library(str(library), fcompile=linker(target.triple))
