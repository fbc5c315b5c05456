"""Asks LLVM what a processor that a target dictionary names can do. Imports TVM."""

import difflib
from dataclasses import dataclass
from typing import Any

from engine.compiler import ffi
from engine.errors import CompilerError

# LLVM's names of what the code would use -> NumPy's.
NAMES = {
    "avx2": "AVX2",
    "fma": "FMA3",
    "avx512f": "AVX512F",
    "avx512dq": "AVX512DQ",
    "avx512bw": "AVX512BW",
    "avx512vl": "AVX512VL",
    "fullfp16": "ASIMDHP",
    "dotprod": "ASIMDDP",
}


@dataclass(frozen=True, slots=True)
class Vectors:
    """lanes: floats of a vector register. registers: how many. features: instruction sets, under NumPy's names."""

    lanes: int
    registers: int
    features: tuple[str, ...]


def vectors_of(dictionary: dict[str, Any]) -> Vectors:
    """Of a target dictionary of kind “llvm”. Raises CompilerError where TVM or LLVM does not know what it names."""
    with ffi.without_torch():
        import tvm
    try:
        target = tvm.target.Target(dictionary)
        known = {str(name) for name in tvm.get_global_func("target.llvm_get_cpu_archlist")(target)}
        features = {str(name) for name in tvm.get_global_func("target.llvm_get_cpu_features")(target)}
    except (ValueError, TypeError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
        raise CompilerError(f"TVM does not take the target {dictionary}: {reason[0]}") from error
    if "mcpu" in dictionary and dictionary["mcpu"] not in known:
        close = difflib.get_close_matches(str(dictionary["mcpu"]), sorted(known), n=5, cutoff=0.3)
        raise CompilerError(
            f"LLVM knows no processor “{dictionary['mcpu']}” of this architecture. Of its {len(known)}, these have names "
            f"like it: {', '.join(close) or 'none'}. Leave mcpu out for code that runs on all of them."
        )
    for change in dictionary.get("mattr", []):
        name = str(change)[1:]
        features = features | {name} if str(change).startswith("+") else features - {name}
    lanes = 16 if {"avx512f", "avx512dq"} <= features else 8 if {"avx2", "fma"} <= features else 4
    registers = 32 if "avx512f" in features or "neon" in features else 16
    return Vectors(lanes, registers, tuple(theirs for ours, theirs in NAMES.items() if ours in features))
