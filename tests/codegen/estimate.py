"""What a network costs on a board, estimated from the instructions that it executes. Under emulation, without the board.

    python -m tests.codegen.estimate MACHINE EXPORTED [--shape 256x256]

MACHINE: the folder of tests.emulation.machine. EXPORTED: a folder of `main.py compile --target T --export DIR`. Counts every
instruction that one run of the network executes, kernel by kernel, and puts the counts beside what each board's core can
do: multiply-adds as its designer publishes them, instructions that it decodes and loads that it starts in a cycle. The
largest of the three is a lower bound of the time: caches, memory, waiting for each other and the system come on top. In int8
so does more than in fp32: bytes are converted by the units that multiply, and a dot product counts as one multiply-add.

An estimate, not a measurement. Needs Debian's qemu-user (not -static, which has no plugins), gcc and llvm.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from engine.board.exported import Description, network_folder
from engine.compiler import targets
from engine.compiler.library import LIBRARY
from tests.codegen.assembly import Instruction, functions
from tests.emulation.machine import Machine, make

LANES = 4  # floats of a NEON register
RUNS = 2


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a core starts in a cycle, from its designer's optimisation guide. decode: instructions. loads: of registers."""

    decode: int
    loads: int


PIPELINES = {
    "rpi4": Pipeline(3, 1),  # Cortex-A72
    "jetson-nano": Pipeline(3, 1),  # Cortex-A57
    "rpi5": Pipeline(4, 2),  # Cortex-A76
    "jetson-orin": Pipeline(4, 3),  # Cortex-A78AE
    "snapdragon": Pipeline(5, 3),  # Cortex-X1; its clock and rates here are those of the big cores beside it
    "apple-silicon": Pipeline(8, 3),  # M1's performance cores, as others measured them: Apple publishes nothing
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions that one run executes: all, vector multiply-adds, loads and stores, and those that touch the stack."""

    all: int
    fmas: int
    loads: int
    stores: int
    stack: int


def main() -> int:
    parser = argparse.ArgumentParser(description="Estimate a network's time on a board.")
    parser.add_argument("machine", type=Path)
    parser.add_argument("exported", type=Path)
    parser.add_argument("--shape", help="of the network (default: the first of the folder)")
    args = parser.parse_args()
    description = Description.read(args.exported)
    shape = next(found for found in description.shapes if args.shape in (None, str(found)))
    library = network_folder(args.exported, shape) / LIBRARY
    runs = count(make(args.machine), args.exported, str(shape), library)
    kernels = {name: counts for name, counts in per_kernel(library, runs).items() if counts.fmas}
    print(f"{description.size} at {shape} for {description.target}: instructions of one run, in millions")
    print(f"{'kernel':<24}{'all':>9}{'fmla':>9}{'share':>7}{'loads':>9}{'stores':>9}{'stack':>9}")
    for name, counts in [*kernels.items(), ("all", total(kernels.values()))]:
        row = (counts.all, counts.fmas, counts.loads, counts.stores, counts.stack)
        cells = [f"{number / 1e6:>9.2f}" for number in row]
        print(
            f"{name.removesuffix('_compute_'):<24}{cells[0]}{cells[1]}{counts.fmas / counts.all:>7.0%}{''.join(cells[2:])}"
        )
    print(
        f"Lower bounds, estimated from these counts and not measured ({description.target}'s code; others' is nearly the same):"
    )
    print(f"{'board':<16}{'core':<12}{'GHz':>5}{'one core':>12}{'cores':>7}{'all cores':>12}{'multiply-adds':>16}")
    in_bytes = any(i.is_dot_product for code in functions(library).values() for i in code)
    for name, pipeline in PIPELINES.items():
        if not in_bytes or targets.load(name, here=False).dot_product:
            print(estimate(name, pipeline, list(kernels.values())))
    print("multiply-adds: the share of the bound that they need alone. Caches, memory and the system come on top.")
    return 0


def count(machine: Machine, exported: Path, shape: str, library: Path) -> Counter[int]:
    """Offset of each instruction in the library -> how often RUNS runs execute it."""
    emulator = shutil.which("qemu-aarch64")
    if not emulator:
        sys.exit("Counting needs QEMU with plugins: sudo apt install qemu-user")
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as place:
        plugin, blocks = Path(place) / "count_blocks.so", Path(place) / "blocks"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", plugin, here / "count_blocks.c"], check=True)
        python = (machine.root / "usr/bin/python3").resolve()
        command = [emulator, "-L", machine.root, "-plugin", f"{plugin},out={blocks}", "-0", machine.python, python]
        script = [here / "on_board.py", exported.resolve(), shape, str(RUNS)]
        done = subprocess.run([*command, *script], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"The network does not run:\n{done.stderr}")
        start = int(done.stdout.split()[-1], 16)
        found: Counter[int] = Counter()
        end = start + library.stat().st_size
        for line in blocks.read_text().splitlines():
            address, instructions, runs = line.split()
            first = int(address, 16)
            if start <= first < end:
                for number in range(int(instructions)):
                    found[first - start + 4 * number] += int(runs)
        return found


def per_kernel(library: Path, runs: Counter[int]) -> dict[str, Counts]:
    """For one run, by the function's name."""

    def times(instructions: list[Instruction]) -> int:
        return sum(runs[instruction.address] for instruction in instructions) // RUNS

    return {
        name: Counts(
            times(instructions),
            times([i for i in instructions if i.is_vector_fma]),
            times([i for i in instructions if i.is_load]),
            times([i for i in instructions if i.is_store]),
            times([i for i in instructions if i.uses_stack]),
        )
        for name, instructions in functions(library).items()
    }


def total(counts: Iterable[Counts]) -> Counts:
    return Counts(*(sum(column) for column in zip(*(astuple(one) for one in counts))))


def estimate(name: str, pipeline: Pipeline, kernels: list[Counts]) -> str:
    """A line for one board."""
    target = targets.load(name, here=False)
    assert target.fma_per_cycle
    assert target.clock_ghz
    per_fma = LANES / target.fma_per_cycle
    arithmetic = sum(counts.fmas for counts in kernels) * per_fma
    bound = sum(
        max(counts.fmas * per_fma, counts.all / pipeline.decode, counts.loads / pipeline.loads) for counts in kernels
    )
    one = bound / target.clock_ghz / 1e6
    return (
        f"{name:<16}{target.tvm['mcpu']:<12}{target.clock_ghz:>5.3g}{one:>9.1f} ms{target.threads:>7}"
        f"{one / target.threads:>9.1f} ms{arithmetic / bound:>16.0%}"
    )


if __name__ == "__main__":
    sys.exit(main())
