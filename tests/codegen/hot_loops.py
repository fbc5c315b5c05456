"""How good is the code of the hot loops on 64-bit ARM? Counts instructions of a compiled network, without a board.

    python -m tests.codegen.hot_loops LIBRARY [--cpu cortex-a72] [--all]

LIBRARY: a network.so for 64-bit ARM, such as one of `main.py compile --target rpi4 --export DIR`. For the loop of each kernel
that has most multiply-adds (--all: for every loop that has eight or more): instructions, the share that are vector
multiply-adds, of floats or, in int8, of bytes (goal: 60 %), accesses to the stack (goal: none), and for --cpu the cycles that llvm-mca expects for a
multiply-add, relative to what the core can do at best (goal: 1.3). llvm-mca assumes that loads hit the first-level cache
and that branches are foreseen. Exit code 1 where a goal is missed. Needs Debian's package llvm.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.codegen.assembly import Instruction, Loop, functions, innermost_loops

SHARE, RATIO = 0.6, 1.3
LEAST = 8  # multiply-adds that make a loop worth looking at
ITERATIONS = 100
# Independent multiply-adds, as many as a tile has: what the core can do at best.
BEST = "\n".join(f"fmla v{number}.4s, v30.4s, v31.s[0]" for number in range(24)) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Look at the hot loops of a network for 64-bit ARM.")
    parser.add_argument("library", type=Path)
    parser.add_argument("--cpu", default="cortex-a72", help="whose model llvm-mca uses; none: leave it out")
    parser.add_argument(
        "--all", action="store_true", help="every loop with multiply-adds, not only each kernel's first"
    )
    args = parser.parse_args()
    cpu = None if args.cpu == "none" else args.cpu
    limit = cycles(BEST, cpu) / 24 if cpu else 0.0
    good = True
    header = f"{'kernel':<24}{'instr':>6}{'fmla':>6}{'share':>7}{'loads':>7}{'stores':>7}{'stack':>6}"
    print(header + (f"{'cycles':>8}{'per fmla':>10}{'of limit':>10}" if cpu else ""))
    for kernel, instructions in functions(args.library).items():
        loops = hottest(kernel, instructions)
        for loop in loops if args.all else loops[:1]:
            line, fits = judged(loop, cpu, limit)
            print(line + ("" if fits else "  misses"))
            good = good and fits
    if cpu:
        print(f"limit of {cpu}: {limit:.2f} cycles for a multiply-add of four floats, as LLVM's model has it")
    return 0 if good else 1


def hottest(function: str, instructions: list[Instruction]) -> list[Loop]:
    """A kernel's innermost loops with many multiply-adds, those with most of them first; none of another function."""
    if not function.endswith("_compute_"):
        return []
    loops = [loop for loop in innermost_loops(function, instructions) if loop.fmas >= LEAST]
    return sorted(loops, key=lambda loop: -loop.fmas)


def judged(loop: Loop, cpu: str | None, limit: float) -> tuple[str, bool]:
    fits = loop.share >= SHARE and loop.stack == 0
    text = (
        f"{loop.function.removesuffix('_compute_'):<24}{len(loop.instructions):>6}{loop.fmas:>6}{loop.share:>7.0%}"
        f"{loop.loads:>7}{loop.stores:>7}{loop.stack:>6}"
    )
    if cpu:
        taken = cycles(loop.text(), cpu)
        ratio = taken / loop.fmas / limit
        text += f"{taken:>8.1f}{taken / loop.fmas:>10.2f}{ratio:>10.2f}"
        fits = fits and ratio <= RATIO
    return text, fits


def cycles(assembly: str, cpu: str) -> float:
    """Of one round, when it is repeated, by LLVM's model of the core. Ends the program where llvm-mca is missing."""
    if not shutil.which("llvm-mca"):
        sys.exit("Counting cycles needs LLVM: sudo apt install llvm")
    command = ["llvm-mca", "-mtriple=aarch64-linux-gnu", f"-mcpu={cpu}", f"-iterations={ITERATIONS}", "-"]
    done = subprocess.run(command, input=assembly, capture_output=True, text=True, check=False)
    found = re.search(r"^Total Cycles:\s+(\d+)", done.stdout, re.MULTILINE)
    if not found:
        sys.exit(f"llvm-mca does not take the loop:\n{done.stderr}\n{assembly}")
    return int(found.group(1)) / ITERATIONS


if __name__ == "__main__":
    sys.exit(main())
