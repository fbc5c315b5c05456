"""From kernels in TensorIR to source text for a device: OpenCL C or CUDA C. Imports TVM's compiler."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import tvm
from tvm import tirx

from engine.compiler.gpu.kernels.emit import Kernel
from engine.compiler.gpu.presets import GpuTarget
from engine.errors import CompilerError

ENTRY = re.compile(r'(?:__kernel|extern "C" __global__) void (?:__launch_bounds__\(\d+\) )?(\w+)\(')
CUDA_TYPES = "typedef unsigned char uchar;\ntypedef unsigned int uint;\n\n"


@dataclass(frozen=True, slots=True)
class Source:
    """text: of all kernels. orders: the names of each kernel's arguments, in the order in which its function takes them."""

    text: str
    orders: dict[str, tuple[str, ...]]


def generate(kernels: dict[str, Kernel], target: GpuTarget) -> Source:
    """Raises CompilerError where TVM cannot write a kernel."""
    texts, orders = [], {}
    for name, kernel in kernels.items():
        text, orders[name] = _one(name, kernel, target)
        texts.append(text)
    prelude = CUDA_TYPES if target.kind == "cuda" else ""
    return Source(prelude + "\n".join(texts), orders)


def _one(name: str, kernel: Kernel, target: GpuTarget) -> tuple[str, tuple[str, ...]]:
    device = tvm.target.Target(target.tvm)
    module = _lowered(tvm.IRModule({name: kernel.function}), device)
    ((symbol, function),) = ((var.name_hint, function) for var, function in module.functions.items())
    text = str(tvm.get_global_func(f"target.build.{target.kind}")(module, device).inspect_source())
    entries = list(ENTRY.finditer(text))
    if not entries:
        raise CompilerError(f"TVM wrote no {target.kind} source for the kernel {name}.")
    # What comes before the function is for other kernels; what is left needs no header.
    body = text[entries[-1].start() :].replace(symbol, name, 1)
    order = _names(function.params, kernel.arguments)
    if target.kind == "opencl":
        x, y, z = kernel.grid.items
        # Drivers then give each item as many registers as this size of group leaves.
        body = body.replace("__kernel void", f"__kernel __attribute__((reqd_work_group_size({x}, {y}, {z}))) void", 1)
    return body, order


def _names(parameters: Iterable[tirx.Var], arguments: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(parameter.name.removesuffix("_ptr") for parameter in parameters)
    if sorted(names) != sorted(arguments):
        raise CompilerError(f"TVM changed a kernel's arguments from {arguments} to {names}.")
    return names


def _lowered(module: tvm.IRModule, device: tvm.target.Target) -> tvm.IRModule:
    """The device's half of the functions, ready for a code generator."""
    t = tirx.transform
    host = tvm.target.Target({"kind": "llvm"})
    passes = [
        t.BindTarget(device.with_host(host)),
        t.StmtSimplify(),
        t.FlattenBuffer(),
        t.NarrowDataType(32),
        t.VectorizeLoop(True),
        t.UnrollLoop(),
        t.StmtSimplify(),
        t.VerifyMemory(),
        t.AnnotateEntryFunc(),
        t.SplitHostDevice(),
        t.MakePackedAPI(),
        t.Filter(lambda function: function.attrs["target"].kind.name != "llvm"),
        t.StmtSimplify(),
        t.LowerIntrin(),
    ]
    return tvm.transform.Sequential(passes)(module)
